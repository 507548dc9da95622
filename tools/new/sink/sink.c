/* A sink that keeps one file per key in a folder: put your own target in its place.
 *
 * What it has to promise: when flush returns KD_OK, everything put before it is there to stay.  What it may rely on:
 * after a crash the same puts come again, with the same keys and contents, in the same order. */
#include "sink.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_NAME = 250 };

static const kd_option options[] = {
	{.key = "sink.folder", .type = KD_OPT_STRING, .required = true,
	 .help = "The folder that holds a file for each key."},
};

static kd_code fail(kd_error *err, const char *what, const char *name)
{
	return kd_error_set(err, KD_ESINK, KD_STOP, "could not %s \"%s\": %s", what, name, strerror(errno));
}

/* ---- the sink: one per job ---- */

static kd_code open_sink(const kd_sink_context *context, void **ret_sink, const char **ret_target, kd_error *err)
{
	const char *folder = kd_config_string(context->config, "sink.folder");

	if (access(folder, R_OK | W_OK | X_OK) < 0)
		return fail(err, "use the folder", folder);
	*ret_sink = (void *) folder;
	*ret_target = folder;
	return KD_OK;
}

static void close_sink(void *of_sink)
{
	(void) of_sink;
}

/* ---- a session: one per worker, here the folder's descriptor ---- */

struct session {
	int folder;
	char temporary[32];
};

static kd_code connect_session(void *of_sink, void **ret_session, kd_error *err)
{
	static _Atomic unsigned number;
	struct session *session = calloc(1, sizeof *session);

	if (!session)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory");
	session->folder = open(of_sink, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(session->temporary, sizeof session->temporary, ".new-%u", number++);
	if (session->folder < 0) {
		free(session);
		return fail(err, "open the folder", of_sink);
	}
	*ret_session = session;
	return KD_OK;
}

static void disconnect_session(void *of_session)
{
	struct session *session = of_session;

	if (session)
		close(session->folder);
	free(session);
}

/* ---- puts ---- */

/* The key as a file's name: letters and digits as they are, all else as %XX. */
static int name_of(const kd_put *put, char name[MOST_NAME + 1])
{
	const unsigned char *key = put->key;
	size_t size = 0;

	for (size_t i = 0; i < put->key_size; i++) {
		if (size + 3 > MOST_NAME)
			return 0;
		size += (size_t) sprintf(name + size, isalnum(key[i]) ? "%c" : "%%%02X", key[i]);
	}
	return size > 0;
}

/* A reader of the folder sees the old file or the new one, never half of one. */
static kd_code put_file(const struct session *session, const char *name, const kd_put *put, kd_error *err)
{
	int fd = openat(session->folder, session->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
	int ok;

	if (!file)
		return fail(err, "make", session->temporary);
	ok = fwrite(put->value, 1, put->value_size, file) == put->value_size && fflush(file) == 0 && fsync(fd) == 0;
	ok = fclose(file) == 0 && ok;
	if (!ok || renameat(session->folder, session->temporary, session->folder, name) < 0)
		return fail(err, "write", name);
	return KD_OK;
}

static kd_code put_one(const struct session *session, const kd_put *put, kd_error *err)
{
	char name[MOST_NAME + 1];

	if (!name_of(put, name))
		return kd_error_set(err, KD_ERECORD, KD_STOP, "a key of %zu bytes makes no file name", put->key_size);
	if (put->value)
		return put_file(session, name, put, err);
	if (unlinkat(session->folder, name, 0) < 0 && errno != ENOENT)
		return fail(err, "remove", name);
	return KD_OK;
}

static kd_code put(void *of_session, const kd_batch_partition *batch, const kd_put *puts, size_t n, kd_error *err)
{
	(void) batch;
	for (size_t i = 0; i < n; i++) {
		kd_code code = put_one(of_session, &puts[i], err);

		if (code == KD_ERECORD)
			err->row = (int64_t) i + 1;
		if (code)
			return code;
	}
	return KD_OK;
}

static kd_code flush(void *of_session, kd_error *err)
{
	const struct session *session = of_session;

	return fsync(session->folder) < 0 ? fail(err, "flush", "the folder") : KD_OK;
}

const kd_keyed_ops sink = {
	.abi = KD_KEYED_ABI,
	.name = "@NAME@",
	.summary = "a folder with a file for each key",
	.options = options,
	.n_options = sizeof options / sizeof options[0],
	.by = KD_KEYED_BY_RECORD,
	.open = open_sink,
	.close = close_sink,
	.connect = connect_session,
	.disconnect = disconnect_session,
	.put = put,
	.flush = flush,
};
