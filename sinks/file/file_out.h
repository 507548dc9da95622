/* SPDX-License-Identifier: Apache-2.0 */
/* file_out: a file that is being written, plain or compressed.  What is written to it is durable after close and not
 * before. */
#ifndef KD_FILE_OUT_H
#define KD_FILE_OUT_H

#include <kdirect/types.h>

#include "file_error.h"

typedef enum file_compression { FILE_PLAIN, FILE_GZIP, FILE_ZSTD } file_compression;

typedef struct file_out {
	char *path;  /* where it is written; NULL: not open */
	char *name;  /* its name in tmp/: the end of path */
	char *place; /* where it will go, below the sink's path */
	int fd;
	bool made; /* the file is there, and ours */
	file_compression compression;
	void *stream; /* z_stream, ZSTD_CCtx */
	char *buffer;
	size_t used;
	int64_t rows;
} file_out;

/* A new file (it must not be there); takes path and place, also where it fails. */
kd_code file_out_open(file_out *out, char *take_path, char *take_place, file_compression compression,
	kd_error *err) KD_CHECK;
kd_code file_out_write(file_out *out, const void *bytes, size_t size, kd_error *err) KD_CHECK;
/* Ends the compression, fsyncs and closes the file; it stays under path. */
kd_code file_out_close(file_out *out, kd_error *err) KD_CHECK;
/* Closes what is open, removes the file (keep: leaves it) and forgets everything.  Accepts {0}. */
void file_out_done(file_out *out, bool keep);

#endif
