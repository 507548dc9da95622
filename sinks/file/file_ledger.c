// SPDX-License-Identifier: Apache-2.0
// file_ledger: the ledger as a file that only grows, and is now and then written anew.
//
//     {"step":[{"key":"job/shop","state":{...}},{"key":"instance/...","state":{...}}],"crc32c":"89abcdef"}
//
// A line is a step of sinks/journal, so that a step is there as a whole or not at all: its checksum is that of the
// array.  A last line that is not whole is a step that never was: it is cut off under the lock.  One that is broken
// before the last is damage (KD_ELEDGER): nobody can say what it was.  Readers need no lock: they read up to the last
// whole line, and a ledger written anew comes by rename.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kdirect/fault.h>

#include "file_sink.h"

#define BEGIN "{\"step\":"
#define BEFORE_SUM ",\"crc32c\":\""
#define END "\"}"
#define SUM_SIZE 8
#define AFTER_STEP (sizeof BEFORE_SUM - 1 + SUM_SIZE + sizeof END - 1)
#define CHUNK (1024 * 1024)

/* Written anew when it has so many lines a key, and some. */
#define MOST_LINES_A_KEY 3
#define FEW_LINES 2000

/* ---- CRC-32C (RFC 3720, B.4) ---- */

static uint32_t checksum(const char *bytes, size_t size)
{
	static const uint32_t remainders[16] = { /* of each nibble, polynomial 0x1EDC6F41 reflected */
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
		0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};
	uint32_t crc = UINT32_MAX;
	for (size_t i = 0; i < size; i++) {
		crc ^= (unsigned char) bytes[i];
		crc = (crc >> 4) ^ remainders[crc & 15];
		crc = (crc >> 4) ^ remainders[crc & 15];
	}
	return ~crc;
}

/* ---- lines ---- */

static bool put_step(kd_buf *out, const journal_line *line, size_t n)
{
	bool ok = kd_buf_append(out, BEGIN "[", sizeof BEGIN);
	size_t from = out->size - 1;
	for (size_t i = 0; ok && i < n; i++)
		ok = kd_buf_printf(out, "%s{\"key\":\"%s\",\"state\":%s}", i ? "," : "", line[i].key,
			line[i].state ? line[i].state : "null");
	ok = ok && kd_buf_append(out, "]", 1);
	return ok && kd_buf_printf(out, BEFORE_SUM "%08" PRIx32 END "\n", checksum(out->data + from, out->size - from));
}

/* The array of a whole line (without its line break); false where it is not whole. */
static bool find_step(const char *line, size_t size, const char **ret_step, size_t *ret_size)
{
	size_t around = sizeof BEGIN - 1 + AFTER_STEP;
	char sum[SUM_SIZE + 1];
	if (size < around + 2 || memcmp(line, BEGIN, sizeof BEGIN - 1) != 0 || memcmp(line + size - 2, END, 2) != 0)
		return false;
	*ret_step = line + sizeof BEGIN - 1;
	*ret_size = size - around;
	const char *after = *ret_step + *ret_size;
	snprintf(sum, sizeof sum, "%08" PRIx32, checksum(*ret_step, *ret_size));
	return memcmp(after, BEFORE_SUM, sizeof BEFORE_SUM - 1) == 0 &&
		memcmp(after + sizeof BEFORE_SUM - 1, sum, SUM_SIZE) == 0;
}

static bool skip(const char **at, const char *end, const char *text)
{
	size_t size = strlen(text);
	bool there = (size_t) (end - *at) >= size && memcmp(*at, text, size) == 0;
	*at += there ? size : 0;
	return there;
}

/* The end of the JSON object that begins at `at`; NULL where it has none. */
static const char *object_end(const char *at, const char *end)
{
	int depth = 0;
	bool quoted = false;
	for (; at < end; at++) {
		if (quoted) {
			quoted = *at != '"';
			at += *at == '\\'; /* and what it escapes */
			continue;
		}
		quoted = *at == '"';
		depth += *at == '{';
		depth -= *at == '}';
		if (depth == 0)
			return *at == '}' ? at + 1 : NULL;
	}
	return NULL;
}

/* One {"key":...,"state":...}; false where it is none. */
static bool apply_line(file_ledger *ledger, const char **at, const char *end, kd_code *ret_code, kd_error *err)
{
	if (!skip(at, end, "{\"key\":\""))
		return false;
	const char *key = *at, *quote = memchr(key, '"', (size_t) (end - key));
	*at = quote ? quote : end;
	if (!skip(at, end, "\",\"state\":"))
		return false;
	const char *state = *at;
	if (skip(at, end, "null"))
		state = NULL;
	else if (!(*at = object_end(state, end)))
		return false;
	*ret_code = journal_apply(ledger->journal, key, (size_t) (quote - key), state, state ? (size_t) (*at - state) : 0, err);
	ledger->lines++;
	return *ret_code || skip(at, end, "}");
}

static kd_code damaged(const file_ledger *ledger, kd_error *err)
{
	kd_error_set(err, KD_ELEDGER, KD_STOP, "it is damaged");
	return kd_error_prefix(err, "could not read \"%s\", line %zu", ledger->path, ledger->steps + 1);
}

static kd_code apply_step(file_ledger *ledger, const char *step, size_t size, kd_error *err)
{
	const char *at = step, *end = step + size;
	kd_code code = KD_OK;
	if (!skip(&at, end, "["))
		return damaged(ledger, err);
	while (!skip(&at, end, "]")) {
		if (!apply_line(ledger, &at, end, &code, err))
			return damaged(ledger, err);
		if (code)
			return kd_error_prefix(err, "\"%s\", line %zu", ledger->path, ledger->steps + 1);
		(void) skip(&at, end, ",");
	}
	return KD_OK;
}

/* ---- opening ---- */

bool file_ledger_init(file_ledger *ledger, const char *dir, const kd_logger *log)
{
	*ledger = (file_ledger) {.fd = -1, .log = log, .dir = strdup(dir)};
	if (asprintf(&ledger->path, "%s/ledger.jsonl", dir) < 0)
		ledger->path = NULL;
	return ledger->path && ledger->dir;
}

static void forget(file_ledger *ledger)
{
	if (ledger->fd >= 0)
		close(ledger->fd);
	ledger->fd = -1;
	journal_free(ledger->journal);
	ledger->journal = NULL;
	ledger->size = 0;
	ledger->steps = ledger->lines = 0;
}

void file_ledger_done(file_ledger *ledger)
{
	forget(ledger);
	free(ledger->path);
	free(ledger->dir);
	*ledger = (file_ledger) {.fd = -1};
}

static kd_code failed(const file_ledger *ledger, int number, const char *what, kd_error *err)
{
	return file_error_set(err, number, FILE_IN_LEDGER, "could not %s \"%s\"", what, ledger->path);
}

static kd_code make_file(file_ledger *ledger, kd_error *err)
{
	ledger->fd = open(ledger->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	if (ledger->fd < 0)
		return failed(ledger, errno, "create", err);
	return file_sync_folder(ledger->dir, FILE_IN_LEDGER, err);
}

static kd_code open_file(file_ledger *ledger, bool write, kd_error *err)
{
	ledger->journal = journal_new();
	if (!ledger->journal)
		return file_no_memory(err);
	ledger->writable = write;
	ledger->fd = open(ledger->path, (write ? O_RDWR | O_APPEND : O_RDONLY) | O_CLOEXEC);
	if (ledger->fd < 0 && errno == ENOENT && !ledger->known)
		return write ? make_file(ledger, err) : KD_OK;
	if (ledger->fd < 0)
		return failed(ledger, errno, "open", err);
	/* Whoever made it, or wrote it anew, may not have come to fsync its name: a step in it would count for nothing. */
	return write ? file_sync_folder(ledger->dir, FILE_IN_LEDGER, err) : KD_OK;
}

/* Is what was read still the beginning of what the path names?  A file that was written anew, or an older one that was
 * put back, is another one. */
static bool is_current(const file_ledger *ledger)
{
	struct stat open_one, named;
	char tail[sizeof ledger->tail];
	if (ledger->fd < 0 || !ledger->journal || fstat(ledger->fd, &open_one) != 0 || stat(ledger->path, &named) != 0 ||
		open_one.st_ino != named.st_ino || open_one.st_dev != named.st_dev || named.st_size < ledger->size)
		return false;
	return ledger->size == 0 || (pread(ledger->fd, tail, sizeof tail, ledger->size - (off_t) sizeof tail) ==
		(ssize_t) sizeof tail && memcmp(tail, ledger->tail, sizeof tail) == 0);
}

/* ---- reading ---- */

/* What is not whole at the end, from `size` on. */
typedef struct loose_end {
	bool broken;  /* a line that ended is not whole */
	bool damaged; /* and a whole one follows it */
} loose_end;

/* Applies whole lines of text; *ret_used: how much of it is done with.  From the first broken line on it only looks for a
 * whole one. */
static kd_code read_lines(file_ledger *ledger, const char *text, size_t size, size_t *ret_used, loose_end *rest,
	kd_error *err)
{
	const char *at = text, *end = text + size, *line_end;
	kd_code code = KD_OK;
	for (; !code && (line_end = memchr(at, '\n', (size_t) (end - at))); at = line_end + 1) {
		const char *step;
		size_t step_size;
		bool whole = find_step(at, (size_t) (line_end - at), &step, &step_size);
		rest->damaged = rest->damaged || (rest->broken && whole);
		rest->broken = rest->broken || !whole;
		if (rest->broken)
			continue;
		code = apply_step(ledger, step, step_size, err);
		ledger->steps++;
		ledger->size += line_end + 1 - at;
		memcpy(ledger->tail, line_end + 1 - sizeof ledger->tail, sizeof ledger->tail);
	}
	*ret_used = (size_t) (at - text);
	return code;
}

static kd_code read_rest(file_ledger *ledger, loose_end *rest, off_t *ret_end, kd_error *err)
{
	kd_buf text = {0};
	kd_code code = KD_OK;
	off_t at = ledger->size;
	while (!code) {
		char *room = kd_buf_reserve(&text, CHUNK);
		if (!room) {
			code = file_no_memory(err);
			break;
		}
		ssize_t n = pread(ledger->fd, room, CHUNK, at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			code = failed(ledger, errno, "read", err);
		if (n <= 0)
			break;
		text.size += (size_t) n;
		at += n;
		size_t used;
		code = read_lines(ledger, text.data, text.size, &used, rest, err);
		text.size -= used;
		memmove(text.data, text.data + used, text.size);
	}
	*ret_end = at;
	kd_buf_done(&text);
	return code;
}

static kd_code cut_off(file_ledger *ledger, off_t end, kd_error *err)
{
	kd_log(ledger->log, KD_LOG_WARN, 0, "\"%s\" ends in a step that was not written to its end: %" PRId64
		" bytes are cut off", ledger->path, (int64_t) (end - ledger->size));
	if (ftruncate(ledger->fd, ledger->size) != 0 || fsync(ledger->fd) != 0)
		return failed(ledger, errno, "repair", err);
	return KD_OK;
}

static kd_code read_file(file_ledger *ledger, bool write, kd_error *err)
{
	loose_end rest = {0};
	off_t end;
	size_t before = ledger->steps;
	kd_code code = read_rest(ledger, &rest, &end, err);
	if (!code && rest.damaged)
		code = damaged(ledger, err);
	ledger->news = ledger->steps > before;
	if (!code && ledger->news)
		code = journal_check(ledger->journal, err);
	if (!code && write && end > ledger->size)
		code = cut_off(ledger, end, err);
	return code;
}

kd_code file_ledger_refresh(file_ledger *ledger, bool write, kd_error *err)
{
	kd_code code = KD_OK;
	ledger->news = false;
	if (!is_current(ledger) || (write && !ledger->writable)) {
		forget(ledger);
		code = open_file(ledger, write, err);
	}
	if (!code && ledger->fd >= 0)
		code = read_file(ledger, write, err);
	if (code)
		forget(ledger);
	else if (ledger->fd >= 0)
		ledger->known = true;
	return code;
}

/* ---- writing ---- */

static bool write_all(int fd, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, bytes, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		bytes += n;
		size -= (size_t) n;
	}
	return true;
}

/* One line a key: every line is a step of its own, since the whole comes by rename. */
static bool write_dump(int fd, const journal_step *dump)
{
	kd_buf text = {0};
	bool ok = true;
	for (size_t i = 0; ok && i < dump->n; i++) {
		ok = put_step(&text, &dump->line[i], 1);
		if (ok && (text.size >= CHUNK || i + 1 == dump->n)) {
			ok = write_all(fd, text.data, text.size);
			text.size = 0;
		}
	}
	kd_buf_done(&text);
	return ok;
}

static kd_code write_anew(file_ledger *ledger, const char *path, kd_error *err)
{
	journal_step dump;
	kd_code code = journal_dump(ledger->journal, &dump, err);
	if (code)
		return code;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	bool ok = fd >= 0 && write_dump(fd, &dump) && fsync(fd) == 0;
	if (ok && KD_FAULT_FAILS("file.ledger_anew")) {
		ok = false;
		errno = ENOSPC;
	}
	ok = ok && rename(path, ledger->path) == 0;
	if (!ok)
		code = failed(ledger, errno, "write anew", err);
	if (fd >= 0)
		close(fd);
	journal_step_done(&dump);
	return code ? code : file_sync_folder(ledger->dir, FILE_IN_LEDGER, err);
}

/* It may fail: the ledger is then as it was, only longer. */
static void compact(file_ledger *ledger)
{
	kd_error err = {0};
	char *path = NULL;
	if (ledger->lines < FEW_LINES || ledger->lines < MOST_LINES_A_KEY * journal_size(ledger->journal) ||
		asprintf(&path, "%s.new", ledger->path) < 0)
		return;
	if (write_anew(ledger, path, &err) != KD_OK || file_ledger_refresh(ledger, true, &err) != KD_OK)
		kd_log(ledger->log, KD_LOG_WARN, 0, "%s", err.message);
	free(path);
}

/* What was not written to its end is taken back; where that fails too, nobody knows. */
static kd_code take_back(file_ledger *ledger, int number, file_phase phase, kd_error *err)
{
	bool back = ftruncate(ledger->fd, ledger->size) == 0 && fsync(ledger->fd) == 0;
	if (!back)
		forget(ledger);
	return file_error_set(err, number, back ? phase : FILE_IN_DOUBT, "could not write to \"%s\"", ledger->path);
}

kd_code file_ledger_append(file_ledger *ledger, journal_step *step, file_phase phase, kd_error *err)
{
	kd_buf text = {0};
	if (step->n == 0)
		return KD_OK;
	if (!put_step(&text, step->line, step->n)) {
		kd_buf_done(&text);
		return file_error_set(err, ENOMEM, phase, "could not write to \"%s\"", ledger->path);
	}
	bool ok = write_all(ledger->fd, text.data, text.size);
	if (ok && KD_FAULT_FAILS("file.ledger_written")) {
		ok = false;
		errno = ENOSPC;
	}
	if (!ok || fsync(ledger->fd) != 0) {
		kd_buf_done(&text);
		return take_back(ledger, errno, phase, err);
	}
	ledger->size += (off_t) text.size;
	ledger->steps++;
	ledger->lines += step->n;
	memcpy(ledger->tail, text.data + text.size - sizeof ledger->tail, sizeof ledger->tail);
	kd_buf_done(&text);
	kd_error ignored = {0};
	if (journal_take(ledger->journal, step, &ignored) != KD_OK)
		forget(ledger); /* it is durable: the next refresh reads it */
	else
		compact(ledger);
	return KD_OK;
}
