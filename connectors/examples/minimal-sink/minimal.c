/* SPDX-License-Identifier: Apache-2.0 */
/* minimal: a transactional sink in one file that only grows.
 *
 * A chunk of the file is one transaction: a head with its size and a checksum of it and of all before it, then lines of
 * the ledger ("L key state") and rows ("R table topic partition offset timestamp key value", bytes in hex).  A chunk that
 * a crash cut short fails its checksum, counts for nothing, and is overwritten by the next one: rows and position are
 * both there, or both not.  flock keeps writers apart, and goes with its process.  What the lines of the ledger say, and
 * when they may be written, is the library's affair: see kdirect/store.h. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <kdirect/connector.h>
#include <kdirect/store.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define HEAD "# %016" PRIx64 " %08" PRIx32 "\n" /* size, sum */
#define HEAD_SIZE 28

struct session {
	const char *path;
	int fd;
	int64_t last, end; /* the last whole chunk that was read */
	uint32_t sum;      /* and its checksum */
};

/* Nothing is tried again that the disk refused: the next start reads what really is there. */
static kd_code fail(kd_error *err, const char *what, const char *path)
{
	return kd_error_set(err, KD_EIO, KD_STOP, "could not %s \"%s\": %s", what, path, strerror(errno));
}

/* The ledger is in the file, which so cannot be mistaken for another one: every file has the same identity. */
static kd_code minimal_open(const kd_sink_context *context, void **ret_store, kd_sink_info *ret_info, kd_error *err)
{
	const char *path = kd_config_string(context->config, "sink.path");
	*ret_store = (void *) path;
	*ret_info = (kd_sink_info) {.target = path, .identity = "minimal", .layout = "lines", .has_offsets = true,
		.summary = "one file of checksummed lines"};
	if (context->read_only)
		return KD_OK;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	return fd >= 0 && syncfs(fd) == 0 && close(fd) == 0 ? KD_OK : fail(err, "make", path); /* its name must last, too */
}

static kd_code minimal_connect(void *store, void **ret_session, kd_error *err)
{
	struct session *s = calloc(1, sizeof *s);
	if (!s || (s->fd = open(store, O_RDWR | O_CLOEXEC)) < 0) {
		free(s);
		return fail(err, "open", store);
	}
	s->path = store;
	*ret_session = s;
	return KD_OK;
}

static void minimal_disconnect(void *session)
{
	struct session *s = session;
	close(s->fd);
	free(s);
}

static kd_code minimal_lock(void *session, kd_error *err)
{
	const struct session *s = session;
	return flock(s->fd, LOCK_EX | LOCK_NB) == 0 ? KD_OK :
		kd_error_set(err, KD_EBUSY, KD_RETRY, "could not lock \"%s\": fuser(1) shows who has it open", s->path);
}

static void minimal_unlock(void *session)
{
	flock(((struct session *) session)->fd, LOCK_UN);
}

/* Hands out the lines of every whole chunk from s->end on and below until, and moves s->end. */
static kd_code each_line(struct session *s, int64_t until, kd_code (*fn)(void *opaque, char *line, kd_error *err),
	void *opaque, kd_error *err)
{
	kd_buf buf = {0};
	size_t left = (size_t) (until - s->end), size;
	char *at = kd_buf_reserve(&buf, left + 1), *next, *line;
	kd_code code = at && pread(s->fd, at, left, s->end) == (ssize_t) left ? KD_OK : fail(err, "read", s->path);
	if (!code)
		at[left] = '\0';
	for (; !code && left > HEAD_SIZE; left -= HEAD_SIZE + size) {
		size = strtoull(at + 2, &next, 16);
		if (size == 0 || size > left - HEAD_SIZE)
			break;
		uint32_t sum = kd_witness_checksum(&s->sum, sizeof s->sum, at + HEAD_SIZE, size);
		if (sum != strtoul(next, NULL, 16))
			break;
		for (at += HEAD_SIZE, next = at + size; !code && at < next && (line = strsep(&at, "\n"));)
			code = fn(opaque, line, err);
		s->last = s->end;
		s->end += HEAD_SIZE + (int64_t) size;
		s->sum = sum;
	}
	kd_buf_done(&buf);
	return code;
}

static kd_code take_ledger_line(void *opaque, char *line, kd_error *err)
{
	const kd_store_reader *reader = opaque;
	if (*line != 'L')
		return KD_OK;
	char *state = line + 2, *key = strsep(&state, " ");
	return reader->line(reader->opaque, key, strlen(key), state, state ? strlen(state) : 0, err);
}

static kd_code minimal_read(void *session, const kd_store_reader *reader, kd_error *err)
{
	struct session *s = session;
	char head[HEAD_SIZE + 1] = "";
	int64_t size = lseek(s->fd, 0, SEEK_END);
	bool same = size >= s->end && pread(s->fd, head, HEAD_SIZE, s->last) > 0 && strtoul(head + 19, NULL, 16) == s->sum;
	if (s->end == 0 || !same) { /* the first time, or an older state was copied over it */
		s->end = s->sum = 0;
		reader->forget(reader->opaque);
	}
	return each_line(s, size, take_ledger_line, (void *) reader, err);
}

/* Over what a crash left of another chunk. */
static kd_code minimal_append(void *session, const kd_store_line *lines, size_t n, const void *rows, size_t size,
	kd_error *err)
{
	const struct session *s = session;
	kd_buf body = {0};
	char head[HEAD_SIZE + 1];
	bool ok = true;
	for (size_t i = 0; ok && i < n; i++)
		ok = kd_buf_printf(&body, lines[i].state ? "L %s %s\n" : "L %s\n", lines[i].key, lines[i].state);
	ok = ok && (size == 0 || kd_buf_append(&body, rows, size));
	snprintf(head, sizeof head, HEAD, (uint64_t) body.size, kd_witness_checksum(&s->sum, 4, body.data, body.size));
	ok = ok && ftruncate(s->fd, s->end) == 0 && pwrite(s->fd, head, HEAD_SIZE, s->end) == HEAD_SIZE &&
		pwrite(s->fd, body.data, body.size, s->end + HEAD_SIZE) == (ssize_t) body.size && fdatasync(s->fd) == 0;
	kd_buf_done(&body);
	return ok ? KD_OK : fail(err, "write", s->path);
}

static bool put_hex(kd_buf *out, const unsigned char *bytes, size_t size, char end)
{
	bool ok = bytes || kd_buf_append(out, "-", 1);
	for (size_t i = 0; ok && i < size; i++)
		ok = kd_buf_printf(out, "%02x", bytes[i]);
	return ok && kd_buf_append(out, &end, 1);
}

static kd_code minimal_encode(void *store, const kd_batch_partition *batch, const kd_record *record, kd_buf *out,
	uint32_t *ret_rows, kd_error *err)
{
	*ret_rows = 1;
	if (kd_buf_printf(out, "R %s %s %d %" PRId64 " %" PRId64 " ", record->table ? record->table : "-", batch->topic,
			batch->partition, record->offset, record->timestamp_ms) &&
		put_hex(out, record->key, record->key_size, ' ') && put_hex(out, record->value, record->value_size, '\n'))
		return KD_OK;
	return kd_error_set(err, KD_ENOMEM, KD_RETRY, "could not encode a record for \"%s\": no memory", (char *) store);
}

static kd_code take_row_line(void *opaque, char *line, kd_error *err)
{
	const kd_store_scan *scan = opaque;
	char topic[256];
	int32_t partition;
	int64_t offset;
	(void) err;
	if (sscanf(line, "R %*s %255s %" SCNd32 " %" SCNd64, topic, &partition, &offset) == 3)
		scan->row(scan->opaque, topic, partition, offset);
	return KD_OK;
}

static kd_code minimal_scan(void *session, const kd_store_scan *scan, kd_error *err)
{
	struct session again = *(struct session *) session;
	again.end = again.sum = 0;
	return each_line(&again, ((struct session *) session)->end, take_row_line, (void *) scan, err);
}

static const kd_store_ops minimal = {
	.abi = KD_STORE_ABI, .name = "minimal", .summary = "one file that only grows", .noun = "file", .n_options = 1,
	.options = (const kd_option[]) {{.key = "sink.path", .type = KD_OPT_STRING, .required = true, .help = "The file."}},
	.open = minimal_open, .connect = minimal_connect, .disconnect = minimal_disconnect,
	.lock = minimal_lock, .unlock = minimal_unlock, .read = minimal_read, .append = minimal_append,
	.encode = minimal_encode, .scan = minimal_scan,
};

const kd_plugin *kd_plugin_entry(void)
{
	static const kd_sink_ops *sinks[2];
	static const kd_plugin plugin = {.abi = KD_PLUGIN_ABI, .name = "minimal", .version = "1.0", .parts = {.sinks = sinks}};
	sinks[0] = kd_store_sink(&minimal);
	return &plugin;
}
