// SPDX-License-Identifier: Apache-2.0
// file_out: see the header.
#include "file_out.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#define BUFFER_SIZE (256 * 1024)
#define GZIP_WINDOW (15 + 16) /* zlib.h: 16 more asks for a gzip header */

static kd_code failed(const file_out *out, int number, const char *what, kd_error *err)
{
	return file_error_set(err, number, FILE_IN_DATA, "could not %s \"%s\"", what, out->path);
}

static bool open_stream(file_out *out)
{
	if (out->compression == FILE_ZSTD) {
		out->stream = ZSTD_createCCtx();
		return out->stream && !ZSTD_isError(ZSTD_CCtx_setParameter(out->stream, ZSTD_c_checksumFlag, 1));
	}
	if (out->compression == FILE_PLAIN)
		return true;
	z_stream *z = calloc(1, sizeof *z);
	if (z && deflateInit2(z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
		free(z);
		z = NULL;
	}
	out->stream = z;
	return z;
}

static void close_stream(file_out *out)
{
	if (out->compression == FILE_ZSTD) {
		ZSTD_freeCCtx(out->stream);
	} else if (out->stream) {
		deflateEnd(out->stream);
		free(out->stream);
	}
	out->stream = NULL;
}

kd_code file_out_open(file_out *out, char *take_path, char *take_place, file_compression compression, kd_error *err)
{
	*out = (file_out) {.path = take_path, .place = take_place, .fd = -1, .compression = compression};
	if (!out->path || !out->place)
		return kd_error_set(err, KD_ENOMEM, KD_REPLAY, "could not write a file: no memory");
	out->name = strrchr(out->path, '/') + 1;
	out->buffer = malloc(BUFFER_SIZE);
	if (!out->buffer || !open_stream(out))
		return kd_error_set(err, KD_ENOMEM, KD_REPLAY, "could not write \"%s\": no memory", out->path);
	out->fd = open(out->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	out->made = out->fd >= 0;
	return out->made ? KD_OK : failed(out, errno, "create", err);
}

static kd_code write_all(const file_out *out, const char *bytes, size_t size, kd_error *err)
{
	while (size > 0) {
		ssize_t n = write(out->fd, bytes, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return failed(out, errno, "write", err);
		bytes += n;
		size -= (size_t) n;
	}
	return KD_OK;
}

static kd_code drain(file_out *out, kd_error *err)
{
	kd_code code = write_all(out, out->buffer, out->used, err);
	out->used = 0;
	return code;
}

static kd_code put_plain(file_out *out, const char *bytes, size_t size, kd_error *err)
{
	kd_code code = size > BUFFER_SIZE - out->used ? drain(out, err) : KD_OK;
	if (code || size > BUFFER_SIZE)
		return code ? code : write_all(out, bytes, size, err);
	memcpy(out->buffer + out->used, bytes, size);
	out->used += size;
	return KD_OK;
}

static kd_code put_gzip(file_out *out, const char *bytes, size_t size, bool end, kd_error *err)
{
	z_stream *z = out->stream;
	kd_code code = KD_OK;
	int rc = Z_OK;
	z->next_in = (Bytef *) bytes;
	z->avail_in = (uInt) size;
	do {
		z->next_out = (Bytef *) out->buffer;
		z->avail_out = BUFFER_SIZE;
		rc = deflate(z, end ? Z_FINISH : Z_NO_FLUSH);
		code = write_all(out, out->buffer, BUFFER_SIZE - z->avail_out, err);
	} while (!code && (end ? rc == Z_OK : z->avail_in > 0 && rc == Z_OK));
	if (!code && rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
		return kd_error_set(err, KD_ESINK, KD_STOP, "could not compress \"%s\": %s", out->path, zError(rc));
	return code;
}

static kd_code put_zstd(file_out *out, const char *bytes, size_t size, bool end, kd_error *err)
{
	ZSTD_inBuffer in = {bytes, size, 0};
	size_t left;
	kd_code code = KD_OK;
	do {
		ZSTD_outBuffer to = {out->buffer, BUFFER_SIZE, 0};
		left = ZSTD_compressStream2(out->stream, &to, &in, end ? ZSTD_e_end : ZSTD_e_continue);
		if (ZSTD_isError(left))
			return kd_error_set(err, KD_ESINK, KD_STOP, "could not compress \"%s\": %s", out->path,
				ZSTD_getErrorName(left));
		code = write_all(out, out->buffer, to.pos, err);
	} while (!code && (end ? left > 0 : in.pos < in.size));
	return code;
}

static kd_code put(file_out *out, const char *bytes, size_t size, bool end, kd_error *err)
{
	if (out->compression == FILE_GZIP)
		return put_gzip(out, bytes, size, end, err);
	if (out->compression == FILE_ZSTD)
		return put_zstd(out, bytes, size, end, err);
	return end ? drain(out, err) : put_plain(out, bytes, size, err);
}

kd_code file_out_write(file_out *out, const void *bytes, size_t size, kd_error *err)
{
	return put(out, bytes, size, false, err);
}

/* close may tell of a write that failed late. */
kd_code file_out_close(file_out *out, kd_error *err)
{
	kd_code code = put(out, NULL, 0, true, err);
	if (!code && fsync(out->fd) != 0)
		code = failed(out, errno, "fsync", err);
	if (close(out->fd) != 0 && !code)
		code = failed(out, errno, "close", err);
	out->fd = -1;
	return code;
}

void file_out_done(file_out *out, bool keep)
{
	if (!out->path && !out->place)
		return;
	if (out->fd >= 0)
		close(out->fd);
	if (!keep && out->made)
		unlink(out->path);
	close_stream(out);
	free(out->buffer);
	free(out->path);
	free(out->place);
	*out = (file_out) {.fd = -1};
}
