/* SPDX-License-Identifier: Apache-2.0 */
/* A job's postgres sink on a scratch database, used as the engine uses it: through its table of functions.
 *
 *     pg_world w;
 *     pg_world_open(&w, "public.t", "\"format\": \"text\"");
 *     instance *a = start(&w, 'a', 1);           a sink, a session, taken over, one partition from offset 0
 *     kd_batch_partition e = entry(0, 1000, 0, 10);
 *     plan_and_land(a, &e);
 *     stop(a);
 *     pg_world_close(&w);
 */
#ifndef PG_WORLD_H
#define PG_WORLD_H

#include <criterion/criterion.h>

#include "check.h"
#include "pg_fixture.h"
#include <kdirect/sinks.h>
#include "wait.h"

#define JOB "orders"
#define TOPIC "orders"

typedef struct pg_world {
	kt_pg pg;
	const kd_sink_ops *ops;
	char dsn[512];   /* what the job connects with */
	char table[128]; /* as JSON holds it */
	char more[512];  /* further keys of "sink" */
	const char *job;
} pg_world;

typedef struct instance {
	pg_world *w;
	kd_config *config;
	void *sink, *session;
	char id[KD_OWNER_SIZE];
	kd_owner me;
	kd_ledger_image image;
} instance;

/* The call must succeed; it names `failure` as its last argument. */
#define MUST(call) \
	do { \
		kd_error failure = {0}; \
		kd_code code_ = (call); \
		kt_check(code_ == KD_OK, "%s: %s: %s", #call, kd_code_name(code_), failure.message); \
	} while (0)

void pg_world_open(pg_world *w, const char *table, const char *more);
void pg_world_close(pg_world *w);
kd_config *pg_world_config(const pg_world *w);

/* Opens the sink; its error where it may fail. */
kd_code try_open(pg_world *w, void **ret_sink, kd_config **ret_config, kd_error *err);
instance *open_instance(pg_world *w, char id);
kd_code try_take_over(instance *i, kd_error *err);
/* Sink, session, take-over, and the first time `partitions` partitions from offset 0. */
instance *start(pg_world *w, char id, int partitions);
void stop(instance *i);
void reconnect(instance *i, const char *role);

kd_batch_partition entry(int index, int64_t batch_time, int64_t from, int64_t until);
kd_cas plan(instance *i, const kd_batch_partition *e);
kd_cas begin(instance *i, const kd_batch_partition *e);
/* Encodes one record per offset of the range, value and key as given (NULL: the offset as text), and writes them. */
kd_code write_values(instance *i, const kd_batch_partition *e, const char *const *values, kd_error *err);
void write_range(instance *i, const kd_batch_partition *e);
/* One row as a transform makes it: for which record, for which table (NULL: the sink's own), and its value. */
typedef struct made_row {
	int64_t offset;
	const char *table, *value;
} made_row;
/* Encodes n rows, made one by one, and writes them in pieces as the engine does. */
typedef made_row make_row_fn(void *opaque, size_t i);
kd_code write_made(instance *i, const kd_batch_partition *e, size_t n, make_row_fn *make, void *opaque, kd_error *err);
/* The same for rows that are there. */
kd_code write_rows(instance *i, const kd_batch_partition *e, const made_row *rows, size_t n, kd_error *err);
/* Commits n rows. */
kd_code try_commit_rows(instance *i, const kd_batch_partition *e, int64_t n, kd_error *err);
kd_batch_result result_of(const kd_batch_partition *e);
kd_code try_commit(instance *i, const kd_batch_partition *e, kd_error *err);
void land(instance *i, const kd_batch_partition *e);
void plan_and_land(instance *i, const kd_batch_partition *e);
kd_reread reread(instance *i, kd_reread_kind kind, const kd_batch_partition *e);

#endif
