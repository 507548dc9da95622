// SPDX-License-Identifier: Apache-2.0
// kafka_read: what tools read: the ledger as it was committed, by a consumer of their own, without a producer that would
// fence the owner; and who the owner is.
//
// A snapshot is the ledger's topic up to its last stable offset.  One job's transactions follow one another, so that
// offset never lies within one of them.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kafka_sink.h"

#define SIGN_OF_LIFE_MS 60000 /* an owner on another host counts as alive for so long after the last one */

kd_code kafka_snapshot_begin(void *opaque, kd_error *err)
{
	kafka_session *session = opaque;
	const kafka_sink *sink = session->sink;
	kd_code code = KD_OK;
	kafka_snapshot_end(session);
	if (sink->read_only && !sink->target.ledger.partitions)
		return KD_OK; /* no ledger: read_ledger says so */
	code = kafka_ledger_open(&session->view, &sink->connection, sink->target.ledger.name, sink->log, err);
	if (!code)
		code = kafka_ledger_read(&session->view, &session->interrupted, err);
	if (code)
		kafka_snapshot_end(session);
	return code;
}

void kafka_snapshot_end(void *opaque)
{
	kafka_session *session = opaque;
	kafka_ledger_close(&session->view);
	kafka_places_free(session->places);
	session->places = NULL;
}

static kd_code no_ledger(const kafka_session *session, kd_error *err)
{
	return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not read the ledger: there is no topic \"%s\"; has the job run?",
		session->sink->target.ledger.name);
}

kd_code kafka_read_ledger(void *opaque, const char *job, const kd_ledger_view *view, kd_error *err)
{
	kafka_session *session = opaque;
	return session->view.journal ? journal_read(session->view.journal, job, view, err) : no_ledger(session, err);
}

/* ---- the owner ---- */

static bool read_line(const char *path, char *ret_line, size_t size)
{
	FILE *file = fopen(path, "re");
	bool ok = file && fgets(ret_line, (int) size, file);
	if (file)
		fclose(file);
	if (ok)
		ret_line[strcspn(ret_line, "\n")] = '\0';
	return ok;
}

/* What all processes that can see each other's numbers have in common: "boot/namespace/". */
static bool mark_place(char ret_mark[KAFKA_MARK_SIZE])
{
	char boot[64], space[64];
	ssize_t size = readlink("/proc/self/ns/pid", space, sizeof space - 1);
	*ret_mark = '\0';
	if (size < 0 || !read_line("/proc/sys/kernel/random/boot_id", boot, sizeof boot))
		return false;
	space[size] = '\0';
	snprintf(ret_mark, KAFKA_MARK_SIZE, "%s/%s/", boot, space);
	return true;
}

/* State and start time (proc(5): fields 3 and 22); the name before them may hold spaces and brackets. */
void kafka_process_mark(int64_t pid, char ret_mark[KAFKA_MARK_SIZE])
{
	char path[64], line[1024], state;
	unsigned long long start;
	snprintf(path, sizeof path, "/proc/%" PRId64 "/stat", pid);
	const char *rest = read_line(path, line, sizeof line) ? strrchr(line, ')') : NULL;
	size_t size = mark_place(ret_mark) ? strlen(ret_mark) : 0;
	if (size && rest && sscanf(rest + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
			&state, &start) == 2 && state != 'Z' && state != 'X')
		snprintf(ret_mark + size, KAFKA_MARK_SIZE - size, "%llu", start);
	else
		*ret_mark = '\0';
}

static bool is_here(const char *mark)
{
	char place[KAFKA_MARK_SIZE];
	return mark_place(place) && !strncmp(mark, place, strlen(place));
}

static bool newest_commit(void *opaque, const kd_segment *segment)
{
	int64_t *newest_ms = opaque;
	*newest_ms = segment->committed_at_ms > *newest_ms ? segment->committed_at_ms : *newest_ms;
	return true;
}

/* Here the process is looked at; of another machine nothing is known but when it last wrote. */
static kd_code judge_owner(const journal *j, const char *job, const journal_instance *owner, bool *ret_alive,
	kd_error *err)
{
	if (is_here(owner->process)) {
		char mark[KAFKA_MARK_SIZE];
		kafka_process_mark(owner->pid, mark);
		*ret_alive = *mark && !strcmp(mark, owner->process);
		return KD_OK;
	}
	int64_t newest_ms = owner->taken_over_at_ms;
	const kd_ledger_view view = {.opaque = &newest_ms, .segment = newest_commit};
	kd_code code = journal_read(j, job, &view, err);
	*ret_alive = kafka_wall_ms() - newest_ms < SIGN_OF_LIFE_MS;
	return code;
}

static void describe(const journal_instance *owner, char *ret_who, size_t size)
{
	char since[32];
	time_t seconds = (time_t) (owner->started_at_ms / 1000);
	struct tm utc;
	gmtime_r(&seconds, &utc);
	strftime(since, sizeof since, "%Y-%m-%d %H:%M:%S", &utc);
	snprintf(ret_who, size, "pid %" PRId64 " on host %s since %s", owner->pid, owner->host, since);
}

kd_code kafka_owner_alive(void *opaque, const char *job, char *ret_who, size_t size, kd_error *err)
{
	kafka_session *session = opaque;
	journal_instance owner;
	bool alive = false;
	if (size)
		*ret_who = '\0';
	kd_code code = kafka_snapshot_begin(session, err);
	if (!code && session->view.journal && journal_owner(session->view.journal, job, &owner)) {
		code = judge_owner(session->view.journal, job, &owner, &alive, err);
		if (!code && alive)
			describe(&owner, ret_who, size);
	}
	kafka_snapshot_end(session);
	return code;
}
