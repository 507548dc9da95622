/* SPDX-License-Identifier: Apache-2.0 */
#include "pg_values_twin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

static const char expect_sql[] =
	"create function expect(doc text, out result text, out state text) language plpgsql as $$ "
	"declare r only_c; begin r := json_populate_record(null::only_c, doc::json); "
	"result := case when r.c is not null then format('%%s', r.c) end; state := ''; "
	"exception when others then state := sqlstate; end $$";

kd_code twin_connect(void *opaque, PGconn **ret_conn, kd_error *err)
{
	(void) err;
	*ret_conn = kt_pg_connect(opaque);
	return KD_OK;
}

static struct pg_encoder *encoder_for(twin *t, bool with_server)
{
	struct pg_encoder_conf conf = {.tables = &t->table, .n_tables = 1,
		.connect = with_server ? twin_connect : NULL, .opaque = t->pg.dsn};
	struct pg_encoder *encoder;
	kd_error err = {0};
	kt_check(!pg_encoder_open(&conf, &encoder, &err), "%s", err.message);
	return encoder;
}

pg_session twin_session(const kt_pg *pg)
{
	return (pg_session) {.conn = pg->conn, .limits = {.lock_wait_ms = 1000, .answer_ms = 60000}, .wake = -1};
}

void twin_open(twin *t, const char *type)
{
	kd_error err = {0};
	pg_session session;
	*t = (twin) {0};
	kt_pg_open(&t->pg);
	session = twin_session(&t->pg);
	kt_pg_exec(&t->pg, "set timezone = 'UTC'; set datestyle = 'ISO'; set client_min_messages = 'error'");
	kt_pg_exec(&t->pg, "create table only_c(c %s)", type);
	kt_pg_exec(&t->pg, "create table ours(kafka_offset bigint, c %s)", type);
	kt_pg_exec(&t->pg, expect_sql);
	kt_check(!pg_columns_load(&session, "public", "ours", &t->columns, &err), "%s", err.message);
	kt_check(!pg_columns_choose(t->columns, PG_LAYOUT_AUTO, PG_FORMAT_RAW, &err), "%s", err.message);
	t->table = (pg_table) {.written = (char *) "ours", .columns = t->columns};
	t->judged = encoder_for(t, true);
	t->alone = encoder_for(t, false);
}

void twin_close(twin *t)
{
	pg_encoder_close(t->judged);
	pg_encoder_close(t->alone);
	pg_columns_free(t->columns);
	kt_pg_close(&t->pg);
}

static void expect_one(PGconn *conn, const document *doc, outcome *ret)
{
	/* A NUL cannot even be sent. */
	if (memchr(doc->text, '\0', doc->size)) {
		strcpy(ret->state, "22021");
		return;
	}
	const char *values[] = {doc->text};
	PGresult *result = PQexecParams(conn, "select * from expect($1)", 1, NULL, values, NULL, NULL, 0);
	if (PQresultStatus(result) == PGRES_TUPLES_OK) {
		snprintf(ret->state, sizeof ret->state, "%s", PQgetvalue(result, 0, 1));
		ret->text = PQgetisnull(result, 0, 0) ? NULL : strdup(PQgetvalue(result, 0, 0));
	} else {
		snprintf(ret->state, sizeof ret->state, "%s", PQresultErrorField(result, PG_DIAG_SQLSTATE));
	}
	PQclear(result);
}

outcome *twin_expect(twin *t, const corpus *set)
{
	outcome *outcomes = calloc(set->n, sizeof *outcomes);
	kt_check(outcomes != NULL, "no memory");
	for (size_t i = 0; i < set->n; i++)
		expect_one(t->pg.conn, &set->document[i], &outcomes[i]);
	return outcomes;
}

void outcomes_free(outcome *outcomes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(outcomes[i].text);
	free(outcomes);
}

kd_batch_partition twin_batch(twin *t)
{
	return (kd_batch_partition) {.job = "j", .topic = "t", .batch_time_ms = ++t->batch, .range = {0, INT64_MAX}};
}

kd_code twin_encode(struct pg_encoder *encoder, const kd_batch_partition *batch, const corpus *set, size_t i,
	kd_buf *out,
	kd_error *err)
{
	uint32_t rows;
	kd_record record = {.offset = (int64_t) i, .timestamp_ms = -1, .value = set->document[i].text,
		.value_size = set->document[i].size};
	return pg_encode(encoder, batch, &record, out, &rows, err);
}

static void must(PGconn *conn, PGresult *result, ExecStatusType status)
{
	kt_check(PQresultStatus(result) == status, "%s", PQerrorMessage(conn));
	PQclear(result);
}

static int64_t copy_frame(PGconn *conn, const struct pg_columns *columns, const struct pg_frame *frame)
{
	kd_buf sql = {0};
	kt_check(pg_frame_copy_sql(columns, frame, &sql) && kd_buf_append(&sql, "", 1), "no memory");
	must(conn, PQexec(conn, sql.data), PGRES_COPY_IN);
	kd_buf_done(&sql);
	kt_check(PQputCopyData(conn, PG_COPY_HEADER, PG_COPY_HEADER_SIZE) == 1 &&
		PQputCopyData(conn, frame->tuples, (int) frame->size) == 1 &&
		PQputCopyData(conn, PG_COPY_TRAILER, PG_COPY_TRAILER_SIZE) == 1 && PQputCopyEnd(conn, NULL) == 1,
		"%s", PQerrorMessage(conn));
	PGresult *result = PQgetResult(conn);
	kt_check(PQresultStatus(result) == PGRES_COMMAND_OK, "%s", PQresultErrorMessage(result));
	int64_t rows = atoll(PQcmdTuples(result));
	PQclear(result);
	kt_check(rows == frame->rows, "a frame of %u rows landed %lld", frame->rows, (long long) rows);
	while ((result = PQgetResult(conn)))
		PQclear(result);
	return rows;
}

int64_t twin_land(PGconn *conn, const struct pg_columns *columns, const kd_buf *bytes)
{
	struct pg_frame frame;
	size_t position = 0;
	int64_t rows = 0;
	must(conn, PQexec(conn, "begin"), PGRES_COMMAND_OK);
	while (pg_frame_next(bytes->data, bytes->size, &position, &frame))
		rows += copy_frame(conn, columns, &frame);
	must(conn, PQexec(conn, "commit"), PGRES_COMMAND_OK);
	return rows;
}
