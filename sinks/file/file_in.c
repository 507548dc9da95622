// SPDX-License-Identifier: Apache-2.0
// file_in: see the header.
#include "file_in.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#define CHUNK (256 * 1024)

static bool ends_with(const char *text, const char *end)
{
	size_t size = strlen(text), end_size = strlen(end);
	return size >= end_size && !strcmp(text + size - end_size, end);
}

file_compression file_in_compression(const char *name)
{
	return ends_with(name, ".gz") ? FILE_GZIP : ends_with(name, ".zst") ? FILE_ZSTD : FILE_PLAIN;
}

static kd_code no_memory(kd_error *err)
{
	return kd_error_set(err, KD_ENOMEM, KD_RETRY, "could not read a file: no memory");
}

static kd_code damaged(const file_in *in, const char *reason, kd_error *err)
{
	return kd_error_set(err, KD_ESINK, KD_STOP, "could not read \"%s\": %s", in->path, reason);
}

kd_code file_in_open(file_in *in, const char *path, file_compression compression, bool *ret_there, kd_error *err)
{
	*in = (file_in) {.path = path, .compression = compression, .fd = open(path, O_RDONLY | O_CLOEXEC)};
	*ret_there = in->fd >= 0;
	if (in->fd < 0 && errno == ENOENT)
		return KD_OK;
	if (in->fd < 0)
		return file_error_set(err, errno, FILE_IN_LEDGER, "could not open \"%s\"", path);
	if (in->compression == FILE_GZIP) {
		int fd = dup(in->fd); /* gzclose closes its own */
		in->stream = fd >= 0 ? gzdopen(fd, "rb") : NULL;
		if (fd >= 0 && !in->stream)
			close(fd);
	} else if (in->compression == FILE_ZSTD) {
		in->stream = ZSTD_createDCtx();
		in->buffer = malloc(CHUNK);
	}
	bool ok = in->compression == FILE_PLAIN || (in->stream && (in->compression == FILE_GZIP || in->buffer));
	if (ok)
		return KD_OK;
	file_in_close(in);
	return no_memory(err);
}

void file_in_close(file_in *in)
{
	if (in->compression == FILE_GZIP && in->stream)
		(void) gzclose(in->stream);
	else if (in->compression == FILE_ZSTD)
		ZSTD_freeDCtx(in->stream);
	if (in->fd >= 0)
		close(in->fd);
	free(in->buffer);
	*in = (file_in) {.fd = -1};
}

static kd_code read_some(const file_in *in, char *to, size_t size, size_t *ret_n, kd_error *err)
{
	ssize_t n;
	do
		n = read(in->fd, to, size);
	while (n < 0 && errno == EINTR);
	*ret_n = n > 0 ? (size_t) n : 0;
	return n >= 0 ? KD_OK : file_error_set(err, errno, FILE_IN_LEDGER, "could not read \"%s\"", in->path);
}

static kd_code read_gzip(file_in *in, char *to, size_t *ret_n, kd_error *err)
{
	int number, n = gzread(in->stream, to, CHUNK);
	*ret_n = n > 0 ? (size_t) n : 0;
	if (n < 0)
		return damaged(in, gzerror(in->stream, &number), err);
	/* a file that was cut off ends like one that was not, but for this */
	if (n == 0 && (gzerror(in->stream, &number), number == Z_BUF_ERROR))
		return damaged(in, "it is cut off", err);
	return KD_OK;
}

static kd_code read_zstd(file_in *in, char *to, size_t *ret_n, kd_error *err)
{
	ZSTD_outBuffer out = {to, CHUNK, 0};
	kd_code code = KD_OK;
	while (!code && out.pos == 0) {
		if (in->at == in->size) {
			code = read_some(in, in->buffer, CHUNK, &in->size, err);
			in->at = 0;
			if (!code && in->size == 0 && in->hint != 0)
				return damaged(in, "it is cut off", err);
			if (code || in->size == 0)
				break;
		}
		ZSTD_inBuffer from = {in->buffer, in->size, in->at};
		in->hint = ZSTD_decompressStream(in->stream, &out, &from);
		in->at = from.pos;
		if (ZSTD_isError(in->hint))
			return damaged(in, ZSTD_getErrorName(in->hint), err);
	}
	*ret_n = out.pos;
	return code;
}

kd_code file_in_read(file_in *in, kd_buf *out, bool *ret_more, kd_error *err)
{
	char *to = kd_buf_reserve(out, CHUNK);
	size_t n = 0;
	*ret_more = false;
	if (!to)
		return no_memory(err);
	kd_code code = in->compression == FILE_GZIP ? read_gzip(in, to, &n, err)
		: in->compression == FILE_ZSTD ? read_zstd(in, to, &n, err) : read_some(in, to, CHUNK, &n, err);
	out->size += n;
	*ret_more = n > 0;
	return code;
}
