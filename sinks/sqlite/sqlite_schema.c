// SPDX-License-Identifier: Apache-2.0
// sqlite_schema: the ledger's tables, their version, and how their rows become the contract's values.
//
// SQLite has no schemas: the tables carry the prefix kdirect_.  Several jobs share them.  docs/LEDGER.md explains every
// column; times are milliseconds since 1970 UTC.
#include <stdlib.h>

#include "sqlite_sink.h"

static const char ddl[] =
	"create table kdirect_ledger (version integer not null) strict;\n"
	"insert into kdirect_ledger (version) values (1);\n"
	"\n"
	"create table kdirect_job (\n"
	"  job text primary key not null, epoch integer not null, owner text not null, cluster_id text not null,\n"
	"  target text not null, target_identity text not null, start_policy text not null, isolation text not null,\n"
	"  created_at integer not null\n"
	") strict, without rowid;\n"
	"\n"
	"create table kdirect_partition (\n"
	"  job text not null, partition_index integer not null, topic text not null, kafka_partition integer not null,\n"
	"  segment integer not null, start_offset integer not null, planned_until integer not null,\n"
	"  last_batch_time integer not null, epoch integer not null, owner text not null, opened_at integer not null,\n"
	"  closed_at integer, closed_reason text, closed_by text,\n"
	"  primary key (job, partition_index), unique (job, topic, kafka_partition, segment)\n"
	") strict, without rowid;\n"
	"\n"
	"create table kdirect_position (\n"
	"  job text not null, partition_index integer not null, committed_until integer not null,\n"
	"  epoch integer not null, owner text not null, committed_at integer,\n"
	"  witness_offset integer not null default -1, witness_timestamp integer not null default -1,\n"
	"  witness_checksum integer not null default 0, log_start integer not null, log_from integer not null,\n"
	"  pruned_batches integer not null default 0, pruned_records integer not null default 0,\n"
	"  pruned_rows integer not null default 0, pruned_dropped integer not null default 0,\n"
	"  pruned_dead_letters integer not null default 0, pruned_gap integer not null default 0,\n"
	"  primary key (job, partition_index)\n"
	") strict, without rowid;\n"
	"\n"
	"create table kdirect_batch_partition (\n"
	"  job text not null, partition_index integer not null, batch_time integer not null,\n"
	"  from_offset integer not null, until_offset integer not null, planned_at integer not null,\n"
	"  committed_at integer, withdrawn_at integer, records integer not null default 0,\n"
	"  rows integer not null default 0, dropped integer not null default 0,\n"
	"  dead_letters integer not null default 0, gap integer not null default 0, instance text not null,\n"
	"  primary key (job, partition_index, batch_time), check (from_offset < until_offset)\n"
	") strict, without rowid;\n"
	"create index kdirect_batch_pending on kdirect_batch_partition (job, partition_index, from_offset)\n"
	"  where committed_at is null and withdrawn_at is null;\n"
	"\n"
	"create table kdirect_gap (\n"
	"  job text not null, partition_index integer not null, from_offset integer not null,\n"
	"  until_offset integer not null, batch_time integer not null, at integer not null, reason text not null,\n"
	"  who text not null, primary key (job, partition_index, from_offset), check (from_offset < until_offset)\n"
	") strict, without rowid;\n"
	"\n"
	"create table kdirect_dead_letter (\n"
	"  job text not null, partition_index integer not null, kafka_offset integer not null,\n"
	"  batch_time integer not null, at integer not null, kafka_timestamp integer, key blob, value blob, headers text,\n"
	"  reason text not null, primary key (job, partition_index, kafka_offset)\n"
	") strict;\n"
	"\n"
	"create table kdirect_instance (\n"
	"  job text not null, epoch integer not null, owner text not null, host text not null, pid integer not null,\n"
	"  process text not null, started_at integer not null, taken_over_at integer not null, version text not null,\n"
	"  primary key (job, epoch, owner)\n"
	") strict, without rowid;\n";

const char *sqlite_schema_ddl(void)
{
	return ddl;
}

kd_code sqlite_schema_version(sqlite_conn *conn, int *ret_version, kd_error *err)
{
	*ret_version = 0;
	sqlite3_stmt *stmt;
	int rc = sqlite_conn_query(conn, &stmt, "select 1 from sqlite_schema where type = 'table' and name = 'kdirect_ledger'",
		NULL, 0);
	if (rc == SQLITE_OK) {
		bool there = sqlite3_step(stmt) == SQLITE_ROW;
		rc = sqlite3_reset(stmt);
		if (rc == SQLITE_OK && !there)
			return KD_OK;
	}
	if (rc == SQLITE_OK)
		rc = sqlite_conn_query(conn, &stmt, "select max(version) from kdirect_ledger", NULL, 0);
	if (rc == SQLITE_OK) {
		if (sqlite3_step(stmt) == SQLITE_ROW)
			*ret_version = sqlite3_column_int(stmt, 0);
		rc = sqlite3_reset(stmt);
	}
	if (rc != SQLITE_OK)
		return sqlite_error_set(err, conn->db, rc, SQLITE_IN_LEDGER, "could not read the ledger's version");
	if (*ret_version > SQLITE_LEDGER_VERSION)
		return kd_error_set(err, KD_ETARGET, KD_STOP,
			"could not use the ledger: its version is %d, this program knows %d; use the newer program",
			*ret_version, SQLITE_LEDGER_VERSION);
	return KD_OK;
}

kd_code sqlite_schema_ensure(sqlite_conn *conn, kd_error *err)
{
	int version;
	kd_code code = sqlite_schema_version(conn, &version, err);
	if (code || version == SQLITE_LEDGER_VERSION)
		return code;
	int rc = sqlite_conn_script(conn, ddl);
	if (rc != SQLITE_OK)
		return sqlite_error_set(err, conn->db, rc, SQLITE_IN_LEDGER, "could not create the ledger");
	return KD_OK;
}

static kd_batch_state state_of(int64_t committed_at_ms, int64_t withdrawn_at_ms)
{
	if (committed_at_ms)
		return KD_BATCH_COMMITTED;
	return withdrawn_at_ms ? KD_BATCH_WITHDRAWN : KD_BATCH_PLANNED;
}

bool sqlite_segment_read(sqlite3_stmt *stmt, kd_segment *s)
{
	*s = (kd_segment) {
		.partition_index = sqlite3_column_int(stmt, 0),
		.topic = sqlite_column_copy(stmt, 1),
		.partition = sqlite3_column_int(stmt, 2),
		.segment = sqlite3_column_int(stmt, 3),
		.closed = sqlite3_column_type(stmt, 4) != SQLITE_NULL,
		.closed_reason = sqlite_column_copy(stmt, 5),
		.start_offset = sqlite3_column_int64(stmt, 6),
		.planned_until = sqlite3_column_int64(stmt, 7),
		.committed_until = sqlite3_column_int64(stmt, 8),
		.last_batch_time_ms = sqlite3_column_int64(stmt, 9),
		.log_start = sqlite3_column_int64(stmt, 10),
		.log_from = sqlite3_column_int64(stmt, 11),
		.pruned_batches = sqlite3_column_int64(stmt, 12),
		.pruned_records = sqlite3_column_int64(stmt, 13),
		.pruned_rows = sqlite3_column_int64(stmt, 14),
		.pruned_dropped = sqlite3_column_int64(stmt, 15),
		.pruned_gap = sqlite3_column_int64(stmt, 16),
		.witness = {
			.offset = sqlite3_column_int64(stmt, 17),
			.timestamp_ms = sqlite3_column_int64(stmt, 18),
			.checksum = (uint32_t) sqlite3_column_int64(stmt, 19),
		},
		.owner.epoch = sqlite3_column_int64(stmt, 20),
		.committed_at_ms = sqlite3_column_int64(stmt, 22),
		.newest_range = {sqlite3_column_int64(stmt, 23), sqlite3_column_int64(stmt, 24)},
	};
	if (sqlite3_column_type(stmt, 23) != SQLITE_NULL)
		s->newest_state = state_of(sqlite3_column_int64(stmt, 25), sqlite3_column_int64(stmt, 26));
	sqlite_column_get(stmt, 21, s->owner.id, sizeof s->owner.id);
	return s->topic && (s->closed_reason || sqlite3_column_type(stmt, 5) == SQLITE_NULL);
}

void sqlite_segment_drop(kd_segment *segment)
{
	free(segment->topic);
	free(segment->closed_reason);
	*segment = (kd_segment) {0};
}

void sqlite_batch_read(sqlite3_stmt *stmt, kd_batch_row *row)
{
	*row = (kd_batch_row) {
		.partition_index = sqlite3_column_int(stmt, 0),
		.batch_time_ms = sqlite3_column_int64(stmt, 1),
		.range = {sqlite3_column_int64(stmt, 2), sqlite3_column_int64(stmt, 3)},
		.planned_at_ms = sqlite3_column_int64(stmt, 4),
		.committed_at_ms = sqlite3_column_int64(stmt, 5),
		.withdrawn_at_ms = sqlite3_column_int64(stmt, 6),
		.records = sqlite3_column_int64(stmt, 7),
		.rows = sqlite3_column_int64(stmt, 8),
		.dropped = sqlite3_column_int64(stmt, 9),
		.dead_letters = sqlite3_column_int64(stmt, 10),
		.gap = sqlite3_column_int64(stmt, 11),
	};
	row->state = state_of(row->committed_at_ms, row->withdrawn_at_ms);
	sqlite_column_get(stmt, 12, row->instance, sizeof row->instance);
}
