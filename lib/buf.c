// SPDX-License-Identifier: Apache-2.0
// buf: the growing buffer that rows are encoded into.  Doubles, so that appending costs a constant.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kdirect/types.h"

char *kd_buf_reserve(kd_buf *buf, size_t more)
{
	if (more > SIZE_MAX / 2 - buf->size)
		return NULL;
	size_t need = buf->size + more;
	if (need > buf->capacity || !buf->data) {
		size_t capacity = buf->capacity ? buf->capacity : 256;
		while (capacity < need)
			capacity *= 2;
		char *data = realloc(buf->data, capacity);
		if (!data)
			return NULL;
		buf->data = data;
		buf->capacity = capacity;
	}
	return buf->data + buf->size;
}

bool kd_buf_append(kd_buf *buf, const void *bytes, size_t size)
{
	char *to = kd_buf_reserve(buf, size);
	if (!to)
		return false;
	if (size)
		memcpy(to, bytes, size);
	buf->size += size;
	return true;
}

bool kd_buf_printf(kd_buf *buf, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	va_list again;
	va_copy(again, args);
	int n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	char *to = n < 0 ? NULL : kd_buf_reserve(buf, (size_t) n + 1);
	if (to) {
		vsnprintf(to, (size_t) n + 1, format, again);
		buf->size += (size_t) n;
	}
	va_end(again);
	return to != NULL;
}

void kd_buf_done(kd_buf *buf)
{
	free(buf->data);
	*buf = (kd_buf) {0};
}
