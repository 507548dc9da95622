/* SPDX-License-Identifier: Apache-2.0 */
/* sqlite_sink: the embedded sink.  One file holds the target tables and the ledger; this header is what the files of
 * this folder share.
 *
 * Theory of operation.  SQLite has one writer at a time for the whole file, so there is one connection that writes,
 * the sink's, and its sessions take turns: a session holds it from `begin immediate` to COMMIT or ROLLBACK.  A begin is
 * never deferred: a transaction that starts by reading can be refused its first write, and reads what a successor has
 * since changed.  Holding the write lock of the file from its first statement on, a transaction sees no other's work
 * in flight, so separate statements are as good as one, and take-over (I7) waits for whoever is writing by the same
 * lock.  Rows come encoded, so the lock is held only while they are stored.
 *
 * Whoever replaces the file under a running job (a restored backup) leaves its connections on an unlinked one.  So each
 * transaction first compares the file under the path with the open one and opens anew where they differ: from
 * there the compare-and-sets find what the restored ledger says.
 *
 * Reading (verify, tools) is done on a connection of the session's own, which no writer blocks.
 *
 * A sink may have no table at all: it is then the ledger of another one, whose rows go elsewhere (sqlite_ledger.h). */
#ifndef KD_SQLITE_SINK_H
#define KD_SQLITE_SINK_H

#include <pthread.h>

#include "kdirect/sink.h"
#include "sqlite_conn.h"

KD_API extern const kd_sink_ops kd_sqlite_sink;

/* ---- the target: sqlite_target.c ---- */

typedef enum sqlite_source {
	SQLITE_FROM_FIELD, /* a top-level JSON field of the column's name */
	SQLITE_FROM_TOPIC,
	SQLITE_FROM_PARTITION,
	SQLITE_FROM_OFFSET,
	SQLITE_FROM_TIMESTAMP,
	SQLITE_FROM_KEY,
	SQLITE_FROM_VALUE,
	SQLITE_FROM_HEADERS
} sqlite_source;

typedef enum sqlite_format { SQLITE_FORMAT_RAW, SQLITE_FORMAT_TEXT, SQLITE_FORMAT_JSON } sqlite_format;

typedef struct sqlite_column {
	char *name;
	size_t name_size;
	sqlite_source source;
	bool integer; /* declared so: a timestamp is stored as milliseconds, else as text */
	bool text;    /* declared so: a key is stored as text, else as a blob */
} sqlite_column;

typedef struct sqlite_target {
	char *table;
	bool exists;
	bool raw; /* layout */
	sqlite_format format;
	bool refuse_unknown, skip_null;
	sqlite_column *columns; /* those that rows fill, in the table's order */
	size_t n_columns;
} sqlite_target;

/* Reads the options and, where the file is open, the table.  Refuses what cannot give the guarantee (KD_ETARGET).
 * beside: a name of sink.tables, whose layout is fields and which must be there; NULL: the sink's own table.
 * conn NULL: as if the table did not exist. */
kd_code sqlite_target_init(sqlite_target *target, const kd_config *config, const char *beside, sqlite_conn *conn,
	kd_error *err) KD_CHECK;
void sqlite_target_done(sqlite_target *target);
/* The statement that makes the raw table. */
kd_code sqlite_target_ddl(const sqlite_target *target, kd_buf *out, kd_error *err) KD_CHECK;
/* Appends `name` quoted as an identifier; false without memory. */
bool sqlite_quote(kd_buf *out, const char *name) KD_CHECK;
bool sqlite_target_has_offsets(const sqlite_target *target);

/* ---- rows: sqlite_row.c ----
 * An encoded row is its target's number, a mask with a bit for each of the target's columns that it fills (an absent
 * JSON field keeps the column's default), then the values of those columns in order, each a tag and its bytes.  Native
 * byte order: rows never leave the process. */

typedef enum sqlite_tag {
	SQLITE_TAG_NULL,
	SQLITE_TAG_INT,
	SQLITE_TAG_REAL,
	SQLITE_TAG_TEXT,
	SQLITE_TAG_BLOB
} sqlite_tag;

size_t sqlite_mask_size(const sqlite_target *target);
static inline void sqlite_mask_set(unsigned char *mask, size_t column)
{
	mask[column / 8] = (unsigned char) (mask[column / 8] | 1u << column % 8);
}
static inline bool sqlite_mask_has(const unsigned char *mask, size_t column)
{
	return mask[column / 8] >> column % 8 & 1;
}
bool sqlite_put_start(kd_buf *out, uint32_t number, const sqlite_target *target, const unsigned char *mask) KD_CHECK;
/* The target's number at *cursor; moves past it. */
uint32_t sqlite_take_number(const char **cursor);
bool sqlite_put_null(kd_buf *out) KD_CHECK;
bool sqlite_put_int(kd_buf *out, int64_t value) KD_CHECK;
bool sqlite_put_real(kd_buf *out, double value) KD_CHECK;
bool sqlite_put_bytes(kd_buf *out, sqlite_tag tag, const void *bytes, size_t size) KD_CHECK;
/* Binds the value at *cursor to a parameter and moves the cursor past it; the bytes must outlive the step. */
int sqlite_bind_value(sqlite3_stmt *stmt, int parameter, const char **cursor);

/* The INSERTs of a connection into one table, one for each set of columns met; the longest unused is given up for a new
 * one. */
#define SQLITE_INSERTS 32
typedef struct sqlite_inserts {
	size_t n;
	uint64_t clock;
	struct sqlite_insert {
		sqlite3_stmt *stmt;
		unsigned char *mask;
		uint64_t used;
	} entry[SQLITE_INSERTS];
} sqlite_inserts;

int sqlite_inserts_find(sqlite_inserts *inserts, sqlite3 *db, const sqlite_target *target, const unsigned char *mask,
	sqlite3_stmt **ret_stmt);
void sqlite_inserts_done(sqlite_inserts *inserts);

/* ---- the sink and its sessions: sqlite_sink.c, sqlite_txn.c ---- */

struct sqlite_session;

typedef struct sqlite_sink {
	const kd_logger *log;
	char *path;
	bool read_only;
	sqlite_target *targets; /* the sink's own table, then those of sink.tables */
	size_t n_targets;       /* 0: a ledger alone */
	kd_sink_info info;
	char *identity, *summary;

	pthread_mutex_t lock; /* of holder */
	pthread_cond_t freed;
	struct sqlite_session *holder; /* whose turn it is; NULL: nobody's */
	sqlite_conn writer;            /* the holder's; and the caches beside it, one for each target */
	sqlite_inserts *inserts;
} sqlite_sink;

/* What the open data transaction did to one target. */
typedef struct sqlite_count {
	int64_t sent, stored;
} sqlite_count;

typedef struct sqlite_session {
	sqlite_sink *sink;
	atomic_bool interrupted; /* by any thread, for good */
	sqlite_conn reader;      /* opened on first use */
	bool snapshot;
	/* the data transaction */
	bool in_data;
	char *job;
	kd_batch_partition entry; /* its job is the copy above, its topic is not kept */
	int64_t rows_sent;
	sqlite_count *counts; /* one for each target */
} sqlite_session;

/* Waits for the session's turn and begins.  KD_EBUSY, RETRY names who has the lock of the file. */
kd_code sqlite_txn_begin(sqlite_session *session, kd_error *err) KD_CHECK;
/* Commits and ends the turn, also when it fails. */
kd_code sqlite_txn_commit(sqlite_session *session, sqlite_phase phase, kd_error *err) KD_CHECK;
void sqlite_txn_rollback(sqlite_session *session);
/* The slot: waits end, running statements end at their next 10,000 steps. */
void sqlite_interrupt(void *session);
/* The session's reader, on the file that the path now names; KD_ECONFIG where there is no file. */
kd_code sqlite_reader(sqlite_session *session, sqlite_conn **ret_conn, kd_error *err) KD_CHECK;

/* ---- who holds the file: sqlite_holder.c ---- */

/* Who has the write lock of the file under path, and what ends it. */
void sqlite_holder_describe(const char *path, char *ret_who, size_t size);

/* ---- the ledger's tables: sqlite_schema.c ---- */

#define SQLITE_LEDGER_VERSION 1
const char *sqlite_schema_ddl(void);
/* Inside a transaction: makes the ledger, or brings an older one up; refuses a newer one. */
kd_code sqlite_schema_ensure(sqlite_conn *conn, kd_error *err) KD_CHECK;
/* *ret_version 0: there is none. */
kd_code sqlite_schema_version(sqlite_conn *conn, int *ret_version, kd_error *err) KD_CHECK;

/* Columns 0.. of a statement over SQLITE_SEGMENT_COLUMNS into *segment, to be dropped, also where it is
 * false: no memory. */
#define SQLITE_SEGMENT_COLUMNS \
	"p.partition_index, p.topic, p.kafka_partition, p.segment, p.closed_at, p.closed_reason, p.start_offset," \
	" p.planned_until, s.committed_until, p.last_batch_time, s.log_start, s.log_from, s.pruned_batches," \
	" s.pruned_records, s.pruned_rows, s.pruned_dropped, s.pruned_gap, s.witness_offset, s.witness_timestamp," \
	" s.witness_checksum, p.epoch, p.owner, s.committed_at, n.from_offset, n.until_offset, n.committed_at, n.withdrawn_at "
#define SQLITE_SEGMENTS_FROM \
	"from kdirect_partition p join kdirect_position s on s.job = p.job and s.partition_index = p.partition_index" \
	" left join kdirect_batch_partition n on n.job = p.job and n.partition_index = p.partition_index" \
	" and n.batch_time = p.last_batch_time "
bool sqlite_segment_read(sqlite3_stmt *stmt, kd_segment *ret_segment) KD_CHECK;
void sqlite_segment_drop(kd_segment *segment);

#define SQLITE_BATCH_COLUMNS \
	"b.partition_index, b.batch_time, b.from_offset, b.until_offset, b.planned_at, b.committed_at, b.withdrawn_at," \
	" b.records, b.rows, b.dropped, b.dead_letters, b.gap, b.instance "
void sqlite_batch_read(sqlite3_stmt *stmt, kd_batch_row *ret_row);

/* Refuses the target where another job feeds it from this topic (KD_ECONFIG). */
kd_code sqlite_refuse_shared_topic(sqlite_conn *conn, const sqlite_sink *sink, const char *job, const char *topic,
	kd_error *err) KD_CHECK;

/* ---- the slots, one file a group ---- */

kd_code sqlite_take_over(void *session, const kd_take_over *request, kd_ledger_image *ret_image, kd_error *err);
kd_code sqlite_add_partitions(void *session, const kd_owner *me, const char *job, const kd_new_partition *partitions,
	size_t n, kd_cas *ret_cas, kd_segment *ret_segments, kd_error *err);
kd_code sqlite_append_plan(void *session, const kd_owner *me, const kd_batch_partition *entries, size_t n,
	kd_cas *ret_cas, kd_error *err);
kd_code sqlite_withdraw(void *session, const kd_owner *me, const kd_batch_partition *entry, kd_cas *ret_cas,
	kd_error *err);
kd_code sqlite_reread(void *session, kd_reread_kind kind, const kd_batch_partition *entries, size_t n,
	kd_reread *ret_rows, kd_error *err);
kd_code sqlite_verify(void *session, const char *job, kd_segment *ret_segments, size_t n, size_t *ret_n, kd_error *err);
kd_code sqlite_prune(void *session, const kd_owner *me, const char *job, int64_t keep_days, int64_t *ret_removed,
	bool *ret_more, kd_error *err);

kd_code sqlite_begin(void *session, const kd_owner *me, const kd_batch_partition *entry, kd_cas *ret_cas,
	kd_error *err);
kd_code sqlite_write(void *session, const void *bytes, size_t size, kd_error *err);
kd_code sqlite_commit(void *session, const kd_batch_result *result, kd_durability *ret_durability, kd_error *err);
void sqlite_abort(void *session);
kd_code sqlite_query(void *session, const char *sql, const char *const *params, size_t n_params,
	bool (*row)(void *opaque, const char *const *values, size_t n), void *opaque, kd_error *err);

kd_code sqlite_encoder_open(void *sink, void **ret_encoder, kd_error *err);
void sqlite_encoder_close(void *encoder);
kd_code sqlite_encode(void *encoder, const kd_batch_partition *batch, const kd_record *record, kd_buf *out,
	uint32_t *ret_rows, kd_error *err);
kd_code sqlite_flush(void *encoder, const kd_batch_partition *batch, kd_buf *out, kd_error *err);

kd_code sqlite_snapshot_begin(void *session, kd_error *err);
void sqlite_snapshot_end(void *session);
kd_code sqlite_read_ledger(void *session, const char *job, const kd_ledger_view *view, kd_error *err);
kd_code sqlite_scan_offsets(void *session, const char *topic, int32_t partition, kd_range range,
	bool (*row)(void *opaque, int64_t offset), void *opaque, kd_error *err);
kd_code sqlite_owner_alive(void *session, const char *job, char *ret_who, size_t size, kd_error *err);

#endif
