/* SPDX-License-Identifier: Apache-2.0 */
/* What the file sink wrote, read as anybody would: by readdir, zlib, zstd and jansson, and by no code of the project.
 *
 * Names that begin with a dot or an underscore are skipped, as readers of such folders do.  A file that is not whole (a
 * line without an end, a compressed stream without one) fails the test. */
#ifndef KT_FILE_ROWS_H
#define KT_FILE_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "oracle.h"

/* A row of the raw layout, borrowed. */
typedef struct kt_file_row {
	const char *topic, *timestamp; /* timestamp NULL: none */
	int32_t partition;
	int64_t offset;
	const void *key, *value; /* NULL: null */
	size_t key_size, value_size;
} kt_file_row;
/* False ends the reading. */
typedef bool kt_file_row_fn(void *opaque, const kt_file_row *row);

/* A file that a reader of the folder sees. */
typedef bool kt_file_fn(void *opaque, const char *path);

/* Every file below the folder, in any order.  False: fn said so. */
bool kt_files_each(const char *folder, kt_file_fn *fn, void *opaque);
/* Every row of a file, of JSON lines, in its order. */
bool kt_file_rows(const char *path, kt_file_row_fn *fn, void *opaque);
/* Every row of every file. */
bool kt_folder_rows(const char *folder, kt_file_row_fn *fn, void *opaque);
/* The rows of a whole folder, all of which must be of this topic, by partition and offset: the other side of an oracle. */
kt_oracle kt_folder_oracle(const char *folder, const char *topic);
/* A whole file, decompressed, with a NUL behind it; the caller frees it. */
char *kt_file_content(const char *path, size_t *ret_size);

/* Says a ledger's last step so many times more: nothing new, in a longer ledger. */
void kt_ledger_lengthen(const char *path, int lines);

#endif
