/* SPDX-License-Identifier: Apache-2.0 */
/* file_in: a written file read again, whatever it is compressed with. */
#ifndef KD_FILE_IN_H
#define KD_FILE_IN_H

#include <kdirect/types.h>

#include "file_out.h"

typedef struct file_in {
	const char *path; /* the caller's, for messages */
	file_compression compression;
	int fd;
	void *stream; /* gzFile, ZSTD_DCtx */
	char *buffer; /* zstd: what was read and not yet decompressed: [at, size) */
	size_t at, size;
	size_t hint;  /* zstd: 0 between frames */
} file_in;

/* What the name says it is compressed with. */
file_compression file_in_compression(const char *name);

/* *ret_there false: there is no such file (KD_OK). */
kd_code file_in_open(file_in *in, const char *path, file_compression compression, bool *ret_there,
	kd_error *err) KD_CHECK;
/* Appends some more of the content to out; *ret_more false: that was all.  KD_ESINK, STOP where the file is damaged. */
kd_code file_in_read(file_in *in, kd_buf *out, bool *ret_more, kd_error *err) KD_CHECK;
void file_in_close(file_in *in);

#endif
