// SPDX-License-Identifier: Apache-2.0
// The worker's two threads under ThreadSanitizer, without librdkafka (which it cannot follow): the real worker, commit and
// ledger code between a reader made of a counter and a sink made of an array.  The sink fails at random: before, in
// the middle, and with its answer lost, applied or not; so do reading and the transform.  The budget is so small that
// ranges are streamed and read again.
// What must hold: every offset lands exactly once (I1, I2), in order (I5), whatever failed; also where a transform makes
// the rows, ahead of the transaction or, looking up, within it.
//
// A plain program: Criterion cannot run under ThreadSanitizer.  Usage: race_worker [SEED]
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../lib/reader.h"
#include "../../lib/worker.h"

enum { PARTITIONS = 5, RANGES = 60, MOST_RECORDS = 400, RECORD_BYTES = 700 };

static unsigned long base_seed;

static unsigned next_random(unsigned *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

/* ---- a reader made of a counter: every offset exists, but for every 7th (a hole) ---- */

struct kd_reader {
	pthread_mutex_t lock;
	pthread_cond_t wakes;
	bool woken;
	unsigned random;
	struct { int64_t next, until; } slots[PARTITIONS];
	int n;
};

static bool is_hole(int64_t offset)
{
	return offset % 7 == 3;
}

kd_code kd_reader_open(const kd_config *config, const kd_logger *log, size_t n, kd_reader **ret_reader, kd_error *err)
{
	(void) config, (void) log, (void) n, (void) err;
	kd_reader *r = calloc(1, sizeof *r);
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->wakes, NULL);
	r->random = (unsigned) base_seed;
	*ret_reader = r;
	return KD_OK;
}

void kd_reader_close(kd_reader *r)
{
	free(r);
}

kd_code kd_reader_add(kd_reader *r, const char *topic, int32_t partition, int64_t position, int *ret_slot, kd_error *err)
{
	(void) topic, (void) partition, (void) position, (void) err;
	*ret_slot = r->n++;
	return KD_OK;
}

void kd_reader_remove(kd_reader *r, int slot)
{
	(void) r, (void) slot;
}

kd_code kd_reader_begin(kd_reader *r, int slot, kd_range range, kd_error *err)
{
	(void) err;
	r->slots[slot].next = range.from;
	r->slots[slot].until = range.until;
	return KD_OK;
}

kd_code kd_reader_poll(kd_reader *r, int slot, size_t max, kd_reader_fn *fn, void *opaque, kd_reader_status *ret_status,
	kd_error *err)
{
	char value[RECORD_BYTES];
	memset(value, 'v', sizeof value);
	*ret_status = (kd_reader_status) {.log_start = 0};
	size_t n = next_random(&r->random) % 20;
	int64_t *next = &r->slots[slot].next;
	kd_code code = KD_OK;
	for (; code == KD_OK && ret_status->delivered < n && ret_status->delivered < max && *next < r->slots[slot].until;
		++*next) {
		if (is_hole(*next))
			continue;
		kd_record record = {.offset = *next, .timestamp_ms = 1, .value = value, .value_size = sizeof value};
		code = fn(opaque, &record, err);
		ret_status->delivered++;
	}
	ret_status->next = *next;
	if (code == KD_OK && next_random(&r->random) % 200 == 0)
		return kd_error_set(err, KD_EBROKER, KD_RETRY, "broker away");
	ret_status->complete = code == KD_OK && *next >= r->slots[slot].until;
	return code;
}

kd_code kd_reader_wait(kd_reader *r, int timeout_ms, kd_error *err)
{
	(void) err;
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += (timeout_ms < 5 ? timeout_ms : 5) * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&r->lock);
	if (!r->woken)
		pthread_cond_timedwait(&r->wakes, &r->lock, &until);
	r->woken = false;
	pthread_mutex_unlock(&r->lock);
	return KD_OK;
}

void kd_reader_wake(kd_reader *r)
{
	pthread_mutex_lock(&r->lock);
	r->woken = true;
	pthread_cond_signal(&r->wakes);
	pthread_mutex_unlock(&r->lock);
}

/* ---- a sink made of arrays; one session, used by the lander thread only ---- */

static struct {
	unsigned random;
	int64_t position[PARTITIONS];
	int64_t last[PARTITIONS]; /* last offset landed */
	int64_t landed[PARTITIONS];
	bool open;
	kd_batch_partition entry;
	int64_t pending[MOST_RECORDS], n_pending;
	long failures;
} db;

/* One worker's encoder.  It holds a row back until the next one comes, or flush. */
static struct {
	bool holds;
	char row[sizeof(int64_t) + RECORD_BYTES];
} held;

static kd_code flush(void *encoder, const kd_batch_partition *batch, kd_buf *out, kd_error *err)
{
	(void) encoder, (void) batch;
	bool holds = held.holds;
	held.holds = false;
	if (holds && !kd_buf_append(out, held.row, sizeof held.row))
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory");
	return KD_OK;
}

static kd_code encode(void *encoder, const kd_batch_partition *batch, const kd_record *record, kd_buf *out,
	uint32_t *ret_rows, kd_error *err)
{
	kd_code code = flush(encoder, batch, out, err);
	*ret_rows = 1;
	held.holds = true;
	memcpy(held.row, &record->offset, sizeof record->offset);
	memcpy(held.row + sizeof record->offset, record->value, RECORD_BYTES);
	return code;
}

static kd_code encoder_open(void *sink, void **ret_encoder, kd_error *err)
{
	(void) err;
	*ret_encoder = sink;
	return KD_OK;
}

static void nothing(void *object)
{
	(void) object;
}

static bool fails(unsigned one_in)
{
	bool yes = next_random(&db.random) % one_in == 0;
	db.failures += yes;
	return yes;
}

static kd_code connect_session(void *sink, const char *role, void **ret_session, kd_error *err)
{
	(void) role;
	if (fails(10))
		return kd_error_set(err, KD_ESINK, KD_RETRY, "could not connect");
	*ret_session = sink;
	return KD_OK;
}

static bool usable(void *session)
{
	(void) session;
	return next_random(&db.random) % 2;
}

static void rollback(void *session)
{
	(void) session;
	db.open = false;
	db.n_pending = 0;
}

static kd_code begin(void *session, const kd_owner *me, const kd_batch_partition *entry, kd_cas *ret_cas, kd_error *err)
{
	(void) session, (void) me;
	if (fails(15))
		return kd_error_set(err, KD_ESINK, KD_RETRY, "could not begin");
	*ret_cas = db.position[entry->partition] == entry->range.from ? KD_CAS_DONE : KD_CAS_MISS;
	db.open = *ret_cas == KD_CAS_DONE;
	db.entry = *entry;
	db.n_pending = 0;
	return KD_OK;
}

static kd_code reread(void *session, kd_reread_kind kind, const kd_batch_partition *entries, size_t n, kd_reread *rows,
	kd_error *err)
{
	(void) session, (void) kind, (void) n, (void) err;
	bool done = db.position[entries->partition] >= entries->range.until;
	rows[0] = (kd_reread) {.found = true, .owner = {.epoch = 1}, .position = db.position[entries->partition],
		.batch = done ? KD_BATCH_COMMITTED : KD_BATCH_PLANNED, .range = entries->range};
	return KD_OK;
}

static kd_code write_rows(void *session, const void *bytes, size_t size, kd_error *err)
{
	(void) session;
	if (fails(20))
		return kd_error_set(err, KD_ESINK, KD_REPLAY, "connection lost");
	for (size_t at = 0; at < size; at += sizeof(int64_t) + RECORD_BYTES)
		memcpy(&db.pending[db.n_pending++], (const char *) bytes + at, sizeof(int64_t));
	return KD_OK;
}

static void die(const char *what, int partition, int64_t offset)
{
	printf("FAILED: %s at partition %d offset %ld (seed %lu)\n", what, partition, (long) offset, base_seed);
	exit(1);
}

static void apply(void)
{
	int p = db.entry.partition;
	for (int64_t i = 0; i < db.n_pending; i++) {
		int64_t expected = db.last[p] + 1;
		while (is_hole(expected))
			expected++;
		if (db.pending[i] != expected)
			die("missing, double or out of order", p, db.pending[i]);
		db.last[p] = db.pending[i];
		db.landed[p]++;
	}
	db.position[p] = db.entry.range.until;
}

static kd_code commit(void *session, const kd_batch_result *result, kd_durability *ret_durability, kd_error *err)
{
	bool lost = fails(8), applied = !lost || next_random(&db.random) % 2;
	*ret_durability = KD_DURABLE;
	if (result->rows != db.n_pending)
		die("row count differs", db.entry.partition, result->rows);
	if (applied)
		apply();
	rollback(session);
	return lost ? kd_error_set(err, KD_ESINK, KD_RESOLVE, "answer lost") : KD_OK;
}

/* Within the transaction that is open, or not at all. */
static kd_code query(void *session, const char *sql, const char *const *params, size_t n_params,
	bool (*row)(void *opaque, const char *const *values, size_t n), void *opaque, kd_error *err)
{
	(void) session, (void) sql, (void) params, (void) n_params, (void) row, (void) opaque;
	if (!db.open)
		die("looked up without a transaction", db.entry.partition, 0);
	return fails(20) ? kd_error_set(err, KD_ESINK, KD_REPLAY, "connection lost") : KD_OK;
}

static const kd_sink_ops SINK = {.abi = KD_SINK_ABI, .name = "array", .connect = connect_session,
	.disconnect = nothing, .usable = usable, .query = query, .begin = begin, .write = write_rows, .commit = commit, .abort = rollback, .reread = reread,
	.encoder_open = encoder_open, .encoder_close = nothing, .encode = encode, .flush = flush};

/* ---- the test ---- */

static atomic_int done_tasks;
static atomic_bool failed;

static void done(void *opaque, kd_task *task, kd_durability durability)
{
	(void) opaque, (void) durability;
	kd_task_free(task);
	atomic_fetch_add(&done_tasks, 1);
}

static void on_failure(void *opaque, const kd_batch_partition *id, const kd_error *err)
{
	(void) opaque, (void) id;
	printf("FAILED: %s\n", err->message);
	atomic_store(&failed, true);
}

static atomic_int rereads;

static void count_rereads(void *opaque, kd_log_level level, int64_t batch_time_ms, const char *line)
{
	(void) opaque, (void) level, (void) batch_time_ms;
	if (strstr(line, "it is read again"))
		atomic_fetch_add(&rereads, 1);
}

static kd_code look_up(void *state, const kd_batch_partition *batch, const kd_record *records, size_t n, kd_tx *tx,
	kd_error *err)
{
	(void) state;
	if (batch->partition != db.entry.partition || records[n - 1].offset < records[0].offset)
		die("looked up for another batch partition", batch->partition, records[0].offset);
	return kd_tx_query(tx, "", NULL, 0, NULL, NULL, err);
}

static kd_code keep(void *state, const kd_batch_partition *batch, kd_row *row, kd_rows *out, kd_error *err)
{
	static unsigned random; /* one worker's */
	(void) state, (void) batch;
	if (next_random(&random) % 2000 == 0)
		return kd_error_set(err, KD_EIO, KD_RETRY, "service away");
	return kd_emit(out, row, err);
}

static const kd_transform_ops KEEPER = {.abi = KD_TRANSFORM_ABI, .name = "keep", .apply = keep};
static const kd_transform_ops LOOKER = {.abi = KD_TRANSFORM_ABI, .name = "look", .look_up = look_up, .apply = keep};

static void run(size_t budget_bytes, const kd_transform_ops *transform)
{
	memset(&db, 0, sizeof db);
	db.random = (unsigned) base_seed * 7 + 1;
	for (int p = 0; p < PARTITIONS; p++)
		db.last[p] = -1;
	atomic_store(&done_tasks, 0);
	kd_logger log = {.fn = count_rereads, .level = KD_LOG_WARN};
	kd_worker_conf conf = {.decoder = transform ? &kd_raw_decoder : NULL, .transform = transform, .log = &log, .ops = &SINK, .sink = &db, .job = "race", .me = {.epoch = 1},
		.n_partitions = PARTITIONS, .budget_bytes = budget_bytes, .retry_timeout_ms = 600000, .done = done,
		.failed = on_failure};
	kd_worker *worker = NULL;
	kd_error err = {0};
	if (kd_worker_start(&conf, &worker, &err) != KD_OK)
		die(err.message, 0, 0);
	kd_witness none = {.offset = -1};
	kd_lane *lanes[PARTITIONS];
	int64_t from[PARTITIONS] = {0}, expected = 0;
	unsigned random = (unsigned) base_seed + 99;
	for (int p = 0; p < PARTITIONS; p++)
		lanes[p] = kd_worker_add(worker, "t", p, 0, &none);
	for (int i = 0; i < RANGES; i++) {
		int p = i % PARTITIONS;
		int64_t until = from[p] + 1 + next_random(&random) % MOST_RECORDS;
		kd_batch_partition id = {.job = "race", .topic = "t", .partition = p, .partition_index = p,
			.batch_time_ms = i + 1, .range = {from[p], until}};
		for (int64_t o = from[p]; o < until; o++)
			expected += !is_hole(o);
		from[p] = until;
		kd_worker_submit(worker, lanes[p], kd_task_new(&id));
	}
	time_t deadline = time(NULL) + 300;
	while (atomic_load(&done_tasks) < RANGES && !atomic_load(&failed) && time(NULL) < deadline)
		nanosleep(&(struct timespec) {0, 1000000}, NULL);
	if (atomic_load(&done_tasks) < RANGES)
		die("not all ranges landed", 0, atomic_load(&done_tasks));
	kd_worker_stop(worker);
	kd_worker_free(worker);
	int64_t landed = 0;
	for (int p = 0; p < PARTITIONS; p++)
		landed += db.landed[p];
	if (landed != expected)
		die("wrong number of rows", 0, landed);
	printf("budget %zu, transform %s: %ld rows in %d ranges landed once through %ld failures, %d ranges read again\n",
		budget_bytes, transform ? transform->name : "none", (long) landed, RANGES, db.failures, atomic_load(&rereads));
}

int main(int argc, char **argv)
{
	base_seed = argc > 1 ? strtoul(argv[1], NULL, 10) : (unsigned long) time(NULL);
	printf("seed %lu\n", base_seed);
	const kd_transform_ops *const transforms[] = {NULL, &KEEPER, &LOOKER};
	for (int i = 0; i < 3; i++) {
		atomic_store(&rereads, 0);
		run(64 << 20, transforms[i]);
		run(100000, transforms[i]); /* less than one range: streaming */
		if (atomic_load(&rereads) == 0)
			die("no streamed range was ever interrupted: the test did not test it", 0, 0);
	}
	return 0;
}
