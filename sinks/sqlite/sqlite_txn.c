// SPDX-License-Identifier: Apache-2.0
// sqlite_txn: whose turn it is to write, and the transaction of that turn.
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "kdirect/fault.h"
#include "sqlite_sink.h"

static void give_up_turn(sqlite_session *session)
{
	sqlite_sink *sink = session->sink;
	pthread_mutex_lock(&sink->lock);
	sink->holder = NULL;
	sink->writer.stop = NULL;
	pthread_cond_broadcast(&sink->freed);
	pthread_mutex_unlock(&sink->lock);
}

static kd_code take_turn(sqlite_session *session, kd_error *err)
{
	sqlite_sink *sink = session->sink;
	struct timespec deadline;
	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += SQLITE_BUSY_MS / 1000 + 1;
	int timed = 0;
	pthread_mutex_lock(&sink->lock);
	while (sink->holder && timed != ETIMEDOUT && !atomic_load(&session->interrupted))
		timed = pthread_cond_timedwait(&sink->freed, &sink->lock, &deadline);
	bool interrupted = atomic_load(&session->interrupted);
	bool mine = !sink->holder && !interrupted;
	if (mine)
		sink->holder = session;
	pthread_mutex_unlock(&sink->lock);
	if (interrupted)
		return kd_error_set(err, KD_ESTOPPED, KD_RETRY, "could not begin a transaction in \"%s\": interrupted", sink->path);
	if (!mine)
		return kd_error_set(err, KD_EBUSY, KD_RETRY,
			"could not begin a transaction in \"%s\": another session of this job is still writing", sink->path);
	return KD_OK;
}

/* Rolls back whatever is open; the next begin opens the file anew. */
static void close_writer(sqlite_sink *sink)
{
	for (size_t i = 0; i < sink->n_targets; i++)
		sqlite_inserts_done(&sink->inserts[i]);
	sqlite_conn_close(&sink->writer);
}

/* The file may have been replaced since: what follows must go to the one that the path names now. */
static kd_code open_writer(sqlite_sink *sink, kd_error *err)
{
	if (sqlite_conn_is_current(&sink->writer, sink->path))
		return KD_OK;
	if (sink->writer.db)
		kd_log(sink->log, KD_LOG_WARN, 0, "opening \"%s\" again: it was replaced, or writing to it failed", sink->path);
	close_writer(sink);
	return sqlite_conn_open(&sink->writer, sink->path, SQLITE_MODE_WRITE, err);
}

static kd_code begin_immediate(sqlite_sink *sink, kd_error *err)
{
	int rc = sqlite_conn_run(&sink->writer, NULL, "begin immediate", NULL, 0);
	if (rc == SQLITE_OK)
		return KD_OK;
	if ((rc & 0xff) != SQLITE_BUSY)
		return sqlite_error_set(err, sink->writer.db, rc, SQLITE_IN_LEDGER, "could not begin a transaction in \"%s\"",
			sink->path);
	char who[512];
	sqlite_holder_describe(sink->path, who, sizeof who);
	return sqlite_error_set(err, NULL, rc, SQLITE_IN_LEDGER, "could not begin a transaction in \"%s\": %s", sink->path,
		who);
}

kd_code sqlite_txn_begin(sqlite_session *session, kd_error *err)
{
	sqlite_sink *sink = session->sink;
	if (sink->read_only)
		return kd_error_set(err, KD_EINVAL, KD_STOP, "could not write to \"%s\": it was opened to read", sink->path);
	kd_code code = take_turn(session, err);
	if (code)
		return code;
	code = open_writer(sink, err);
	sink->writer.stop = &session->interrupted;
	if (!code)
		code = begin_immediate(sink, err);
	if (code)
		give_up_turn(session);
	return code;
}

void sqlite_txn_rollback(sqlite_session *session)
{
	sqlite_sink *sink = session->sink;
	sqlite3 *db = sink->writer.db;
	if (db && !sqlite3_get_autocommit(db) && sqlite_conn_script(&sink->writer, "rollback") != SQLITE_OK)
		close_writer(sink);
	give_up_turn(session);
}

/* The rows of a batch partition, or a step of the ledger alone. */
static int commit(sqlite_conn *conn, bool rows)
{
	if (rows ? KD_FAULT_FAILS("sqlite.commit.before") : KD_FAULT_FAILS("sqlite.step.before"))
		return SQLITE_FULL;
	int rc = sqlite_conn_run(conn, NULL, "commit", NULL, 0);
	if (rc == SQLITE_OK && (rows ? KD_FAULT_FAILS("sqlite.commit.after") : KD_FAULT_FAILS("sqlite.step.after")))
		return SQLITE_IOERR;
	return rc;
}

kd_code sqlite_txn_commit(sqlite_session *session, sqlite_phase phase, kd_error *err)
{
	sqlite_sink *sink = session->sink;
	int rc = commit(&sink->writer, phase == SQLITE_IN_DATA_COMMIT);
	if (rc == SQLITE_OK) {
		give_up_turn(session);
		return KD_OK;
	}
	kd_code code = sqlite_error_set(err, sink->writer.db, rc, phase, "could not commit to \"%s\"", sink->path);
	/* after a failed sync nobody knows what the cache is worth: start from the file */
	if ((rc & 0xff) == SQLITE_IOERR)
		close_writer(sink);
	sqlite_txn_rollback(session);
	return code;
}

void sqlite_interrupt(void *opaque)
{
	sqlite_session *session = opaque;
	atomic_store(&session->interrupted, true);
	pthread_mutex_lock(&session->sink->lock);
	pthread_cond_broadcast(&session->sink->freed);
	pthread_mutex_unlock(&session->sink->lock);
}

kd_code sqlite_reader(sqlite_session *session, sqlite_conn **ret_conn, kd_error *err)
{
	const char *path = session->sink->path;
	*ret_conn = &session->reader;
	if (sqlite_conn_is_current(&session->reader, path))
		return KD_OK;
	sqlite_conn_close(&session->reader);
	if (access(path, F_OK) != 0 && errno == ENOENT && session->sink->read_only)
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not read the ledger: there is no file \"%s\"; has the job run?",
			path);
	kd_code code = sqlite_conn_open(&session->reader, path, SQLITE_MODE_READ, err);
	session->reader.stop = &session->interrupted;
	return code;
}
