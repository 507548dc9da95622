/* SPDX-License-Identifier: Apache-2.0 */
/* config_expand: see config_expand.h. */
#include "config_expand.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config_private.h"

#define MAX_FILE_BYTES ((size_t) 1 << 20)

/* Writes the reason; always false, so that callers can return it. */
static bool KD_PRINTF(2, 3) fail(char **ret_why, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (vasprintf(ret_why, format, args) < 0)
		*ret_why = NULL;
	va_end(args);
	return false;
}

static bool append(kd_buf *out, const char *bytes, size_t size, char **ret_why)
{
	*ret_why = NULL;
	return kd_buf_append(out, bytes, size);
}

static bool expand_env(const char *name, kd_buf *out, char **ret_why)
{
	const char *value = getenv(name);

	if (!value)
		return fail(ret_why, "could not expand \"${env:%s}\": the environment has no such variable", name);
	return append(out, value, strlen(value), ret_why);
}

static bool expand_file(const char *path, kd_buf *out, char **ret_why)
{
	kd_buf content = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int failed = fd < 0 ? errno : kd_config_read(fd, MAX_FILE_BYTES, &content);
	bool ok = false;

	if (fd >= 0)
		close(fd);
	if (!failed && content.size && memchr(content.data, 0, content.size))
		failed = EILSEQ;
	if (content.size && content.data[content.size - 1] == '\n')
		content.size--;
	if (content.size && content.data[content.size - 1] == '\r')
		content.size--;
	if (failed == EFBIG)
		fail(ret_why, "could not expand \"${file:%s}\": the file has more than 1 MB", path);
	else if (failed == EILSEQ)
		fail(ret_why, "could not expand \"${file:%s}\": the file has a zero byte", path);
	else if (failed)
		fail(ret_why, "could not expand \"${file:%s}\": %s", path, strerror(failed));
	else
		ok = append(out, content.size ? content.data : "", content.size, ret_why);
	kd_buf_done(&content);
	return ok;
}

/* One reference: `inner` is what stands between the braces. */
static bool expand_one(const char *inner, kd_buf *out, char **ret_why)
{
	if (strncmp(inner, "env:", 4) == 0 && inner[4])
		return expand_env(inner + 4, out, ret_why);
	if (strncmp(inner, "file:", 5) == 0 && inner[5])
		return expand_file(inner + 5, out, ret_why);
	return fail(ret_why, "could not expand a ${...}: write ${env:NAME}, ${file:PATH}, or $${ for a plain ${");
}

bool kd_config_expand(const char *text, kd_buf *out, bool *ret_expanded, char **ret_why)
{
	*ret_expanded = false;
	*ret_why = NULL;
	for (;;) {
		const char *open_at = strstr(text, "${");
		if (!open_at)
			return append(out, text, strlen(text) + 1, ret_why) && out->size-- > 0;
		if (open_at > text && open_at[-1] == '$') {
			if (!append(out, text, (size_t) (open_at - text) - 1, ret_why) || !append(out, "${", 2, ret_why))
				return false;
			text = open_at + 2;
			continue;
		}
		const char *close_at = strchr(open_at, '}');
		if (!close_at)
			return fail(ret_why, "could not expand a ${...}: its closing } is missing; $${ is a plain ${");
		char *inner = strndup(open_at + 2, (size_t) (close_at - open_at) - 2);
		bool ok = inner && append(out, text, (size_t) (open_at - text), ret_why) && expand_one(inner, out, ret_why);
		free(inner);
		if (!ok)
			return false;
		*ret_expanded = true;
		text = close_at + 1;
	}
}
