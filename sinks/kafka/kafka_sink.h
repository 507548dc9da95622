/* SPDX-License-Identifier: Apache-2.0 */
/* kafka_sink: topics as a target, exactly once, by Kafka's transactions (KIP-98).
 *
 * Theory of operation.  One Kafka transaction holds the rows of a batch partition and the lines of the ledger that go
 * with them (sinks/journal): a reader at read_committed sees both or neither (I9).  The ledger is a compacted topic of
 * one partition.  Its state lives in memory, and a compare-and-set compares with that: it is exact because nobody else
 * can write lines of this job as long as this process is not fenced.
 *
 * Fencing (I7).  All starts of a job use one transactional.id, "LEDGER_TOPIC/JOB".  A start calls init_transactions: the
 * coordinator gives the id a new producer epoch, ends what an earlier producer left open, and refuses everything that
 * the earlier one still sends.  Only then is the ledger read to its end, so that what was read is final.  A take-over is
 * complete when its own transaction, with the new epoch and owner, is committed.  Its judge is asked twice: before it
 * fences anybody, and when what was read is final.
 *
 * A producer that finds itself fenced does not know by whom: a start that has taken over, one that died on the way, or a
 * transaction that took longer than transaction.timeout.ms.  The ledger tells:
 *   - It names a newer owner: this process is superseded.  Its compare-and-sets miss, and the job ends (exit code 3).
 *     It makes no producer any more, which would fence the rightful owner.
 *   - It still names this process: another start may be on its way.  It is given KAFKA_GRACE_MS; then this process makes
 *     a new producer and goes on.
 * So of any number of starts the one whose take-over was committed last never ends because of another one, and all
 * others do as soon as they read its epoch.  Where this process makes a new producer while another start is completing
 * its take-over, one of the two is fenced, reads the ledger, and the same rule applies again: a delay, not an error.
 *
 * Turns.  A producer has one transaction at a time.  The driver's and the workers' transactions take turns; what is
 * marked "the holder's" below is used by the session that has the turn, and by nobody else.
 *
 * Unknown outcomes.  A commit without a clear answer is RESOLVE, and its producer is given up.  The next call makes a
 * new one: init_transactions waits until the coordinator has completed or aborted the old transaction, and the ledger
 * says which. */
#ifndef KD_KAFKA_SINK_H
#define KD_KAFKA_SINK_H

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>

#include <kdirect/kafka.h>
#include <kdirect/sink.h>

#include "../journal/journal.h"

/* Earlier versions lose or repeat records in transactions (librdkafka's issues 4438, 4750 and others). */
#define KAFKA_LEAST_VERSION 0x020503ff
#define KAFKA_LEAST_VERSION_TEXT "2.5.3"

#define KAFKA_LEDGER_TOPIC "kdirect-ledger"
#define KAFKA_GRACE_MS 3000   /* for a start that fenced this process to complete its take-over */
#define KAFKA_ANSWER_MS 4000  /* within which a call of the driver gives up: it is repeated */
#define KAFKA_PIECE_MS 200    /* of a wait: then an interrupt is noticed */

int64_t kafka_mono_ms(void);
int64_t kafka_wall_ms(void); /* since 1970 UTC */
void kafka_pause(int ms);
kd_code kafka_no_memory(kd_error *err);
/* KD_ECONFIG, STOP where the librdkafka that this program runs with is too old. */
kd_code kafka_version_check(kd_error *err) KD_CHECK;

/* ---- errors: kafka_error.c ---- */

/* Where a call stood when it failed; with the native code it decides the action. */
typedef enum kafka_phase {
	KAFKA_ASKING,    /* nothing was changed: RETRY */
	KAFKA_IN_DATA,   /* an open data transaction that other calls filled: REPLAY */
	KAFKA_IN_COMMIT  /* the outcome is open: RESOLVE, unless it is refused for good */
} kafka_phase;

/* Pure. */
void kafka_error_judge(rd_kafka_resp_err_t native, kafka_phase phase, kd_code *ret_code, kd_action *ret_action);
kd_code kafka_error_set(kd_error *err, rd_kafka_resp_err_t native, kafka_phase phase, const char *format, ...)
	KD_PRINTF(4, 5);

/* ---- librdkafka's properties: kafka_properties.c ---- */

typedef struct kafka_pairs {
	char **name, **value;
	size_t n;
	bool no_memory;
} kafka_pairs;
void kafka_pairs_set(kafka_pairs *pairs, const char *name, const char *value);
const char *kafka_pairs_get(const kafka_pairs *pairs, const char *name); /* NULL: not set */
void kafka_pairs_done(kafka_pairs *pairs);

/* Judges sink.properties: KD_ECONFIG, STOP naming what would break the promise, or what librdkafka does not take. */
kd_code kafka_properties_check(const kd_config *config, kd_error *err) KD_CHECK;
/* How the target's cluster is reached: of kafka.* where sink.brokers is not set, and of sink.properties. */
kd_code kafka_properties_connection(const kd_config *config, kafka_pairs *ret_pairs, kd_error *err) KD_CHECK;
/* Those of the transactional producer. */
kd_code kafka_properties_producer(const kd_config *config, const char *transactional_id, kafka_pairs *ret_pairs,
	kd_error *err) KD_CHECK;
rd_kafka_conf_t *kafka_properties_conf(const kafka_pairs *pairs, kd_error *err);

/* ---- the topics: kafka_target.c, kafka_admin.c ---- */

typedef struct kafka_topic {
	const char *name;
	int partitions;         /* 0: it does not exist */
	int64_t message_bytes;  /* max.message.bytes; -1: not to be known */
	int64_t retention_ms;   /* retention.ms, of records' own times; -1: for ever, or not to be known */
	bool compacted;
} kafka_topic;

typedef struct kafka_target {
	kafka_topic *topic; /* sink.topic, then sink.tables */
	size_t n_topics;
	kafka_topic ledger;
	bool by_source;     /* sink.partitioner */
	bool coordinates;
	const char *group;  /* NULL: none */
} kafka_target;

/* What the configuration says of them. */
kd_code kafka_target_init(kafka_target *target, const kd_config *config, kd_error *err) KD_CHECK;
void kafka_target_done(kafka_target *target);
/* What the cluster says of them.  Refuses a topic that is missing, or that is read by the job; where may_create, a
 * ledger topic that is missing is made. */
kd_code kafka_target_look(kafka_target *target, const kd_config *config, const kafka_pairs *connection,
	kd_kafka *kafka, bool may_create, kd_error *err) KD_CHECK;
/* KD_ETARGET, STOP unless the ledger's topic can keep a ledger. */
kd_code kafka_target_judge_ledger(const kafka_topic *ledger, const char *policy, kd_error *err) KD_CHECK;
/* The topic of this name, from 0; -1: none.  NULL or "": the sink's own. */
int kafka_target_find(const kafka_target *target, const char *name);

/* A handle for the questions below; the caller destroys it. */
kd_code kafka_admin_open(const kafka_pairs *connection, rd_kafka_t **ret_rk, kd_error *err) KD_CHECK;
#define KAFKA_POLICY_SIZE 64
/* Fills message_bytes and compacted of a topic, and its cleanup.policy; "" where this may not be known.  *ret_exists. */
kd_code kafka_admin_describe(rd_kafka_t *rk, kafka_topic *topic, char ret_policy[KAFKA_POLICY_SIZE], bool *ret_exists,
	kd_error *err) KD_CHECK;
/* One partition, compacted, with the brokers' default of replicas.  KD_OK also where it is there already. */
kd_code kafka_admin_create_ledger(rd_kafka_t *rk, const char *topic, kd_error *err) KD_CHECK;

/* ---- the transactional producer: kafka_producer.c ---- */

typedef struct kafka_producer {
	rd_kafka_t *rk;
	const kd_logger *log;
	rd_kafka_topic_t **topic; /* as in the target */
	size_t n_topics;
	rd_kafka_topic_t *ledger;
	bool ready;   /* init_transactions was answered */
	bool in_txn;
	bool lost;    /* fenced, or after a failure: good for nothing any more, but to abort */
	bool unknown; /* what became of its commit */
	bool fenced;
	bool ending;  /* what is told of messages no longer matters */
	int64_t sent, delivered;     /* messages of this transaction */
	rd_kafka_resp_err_t refused; /* the first message that was; 0: none */
	int64_t refused_row;         /* from 1; 0: a line of the ledger */
	int64_t last_line;           /* offset of the last line of the ledger that was delivered */
	rd_kafka_resp_err_t fault;   /* what keeps it from the brokers for good (authentication); 0: nothing */
	char reason[256];            /* of the last thing that it told */
} kafka_producer;

/* One message.  topic: as in the target.  partition: RD_KAFKA_PARTITION_UA by the key.  headers: taken over, may be
 * NULL. */
typedef struct kafka_message {
	int topic;
	int32_t partition;
	int64_t timestamp_ms; /* -1: none */
	const void *key, *value; /* NULL: null */
	size_t key_size, value_size;
	rd_kafka_headers_t *take_headers;
	int64_t row; /* from 1 */
} kafka_message;

kd_code kafka_producer_open(const kafka_pairs *pairs, const kafka_target *target, const kd_logger *log,
	kafka_producer **ret_producer, kd_error *err) KD_CHECK;
void kafka_producer_close(kafka_producer *p); /* accepts NULL */
/* Each of these ends soon after *stop becomes true. */
kd_code kafka_producer_init(kafka_producer *p, const atomic_bool *stop, kd_error *err) KD_CHECK;
kd_code kafka_producer_begin(kafka_producer *p, kd_error *err) KD_CHECK;
kd_code kafka_producer_send(kafka_producer *p, const kafka_message *message, const atomic_bool *stop,
	kd_error *err) KD_CHECK;
kd_code kafka_producer_send_line(kafka_producer *p, const journal_line *line, const atomic_bool *stop,
	kd_error *err) KD_CHECK;
/* The next offset of a partition that this transaction has read, for a group of another program to see. */
kd_code kafka_producer_send_offset(kafka_producer *p, const char *group, const kd_batch_partition *entry,
	const atomic_bool *stop, kd_error *err) KD_CHECK;
kd_code kafka_producer_commit(kafka_producer *p, const atomic_bool *stop, kd_error *err) KD_CHECK;
/* The error of a commit that nobody knows the outcome of: what follows is for a new producer. */
kd_code kafka_producer_doubt(kafka_producer *p, rd_kafka_error_t *take_error, kd_error *err);
void kafka_producer_abort(kafka_producer *p, const atomic_bool *stop);

/* ---- the ledger's topic: kafka_ledger.c ---- */

typedef struct kafka_ledger {
	kd_kafka *kafka; /* of the target's cluster, at read_committed */
	const char *topic;
	journal *journal;
	int64_t next;     /* what is below was applied */
	char *own;        /* this job's name as the lines' keys have it; NULL: not known yet */
	bool foreign;     /* lines of this job were read that this process has not written */
	bool spoilt;      /* the journal is to be read anew */
	int64_t short_since_ms; /* since when the topic ends before `next`; 0: it does not */
} kafka_ledger;

kd_code kafka_ledger_open(kafka_ledger *ledger, const kafka_pairs *connection, const char *topic, const kd_logger *log,
	kd_error *err) KD_CHECK;
void kafka_ledger_close(kafka_ledger *ledger);
/* The ends of the topic: what is committed, and what is written. */
kd_code kafka_ledger_ends(kafka_ledger *ledger, int64_t *ret_stable, int64_t *ret_high, kd_error *err) KD_CHECK;
/* Reads what was committed since. */
kd_code kafka_ledger_read(kafka_ledger *ledger, const atomic_bool *stop, kd_error *err) KD_CHECK;
/* The same, where somebody has written since this process did; waits so long for what is written to be decided. */
kd_code kafka_ledger_look(kafka_ledger *ledger, int wait_ms, const atomic_bool *stop, kd_error *err) KD_CHECK;
/* Waits until all that is written now is decided, and reads it; KD_EBUSY, RETRY where that takes too long. */
kd_code kafka_ledger_settle(kafka_ledger *ledger, const atomic_bool *stop, kd_error *err) KD_CHECK;
/* A step of this process was committed, its last line at this offset. */
void kafka_ledger_took(kafka_ledger *ledger, const journal_step *step, int64_t last_line);

/* ---- the sink and its sessions: kafka_sink.c, kafka_txn.c ---- */

struct kafka_session;
typedef struct kafka_places kafka_places; /* kafka_offsets.c: which records of the source the target holds */
void kafka_places_free(kafka_places *places); /* accepts NULL */

typedef struct kafka_sink {
	const kd_config *config;
	const kd_logger *log;
	bool read_only;
	const char *job;
	kafka_pairs connection, producing;
	kafka_target target;
	kd_sink_info info;
	char *identity, *summary, *cluster_id;

	pthread_mutex_t lock; /* of holder */
	pthread_cond_t freed;
	struct kafka_session *holder; /* whose turn it is; NULL: nobody's */
	/* the holder's */
	kafka_producer *producer; /* NULL: none */
	bool settled;             /* the ledger was read to its end after this producer's init */
	int64_t fenced_ms;        /* since when another producer has the id; 0: not known to be so */
	kafka_ledger ledger;
} kafka_sink;

typedef struct kafka_session {
	kafka_sink *sink;
	atomic_bool interrupted; /* by any thread, for good */
	bool in_data;
	kd_owner me;
	char *job;
	kd_batch_partition entry; /* its job is the copy above, its topic is the one below */
	char *topic;
	int64_t rows;
	/* a tool's own */
	kafka_ledger view;
	kafka_places *places;
} kafka_session;

/* Waits for the session's turn; every call that took it gives it back. */
kd_code kafka_turn_take(kafka_session *session, kd_error *err) KD_CHECK;
void kafka_turn_give(kafka_session *session);
/* In its turn: a producer that may write, and the ledger as it is now.  me NULL: a take-over.  KD_OK without a producer
 * where the ledger names a newer owner: compare-and-sets miss. */
kd_code kafka_ready(kafka_session *session, const kd_owner *me, kd_error *err) KD_CHECK;
/* One transaction with the lines of a step, which is then taken. */
kd_code kafka_step_commit(kafka_session *session, const journal_step *step, kd_error *err) KD_CHECK;
void kafka_interrupt(void *session);

/* ---- the slots, one file a group ---- */

kd_code kafka_check(const kd_sink_context *context, kd_finding_fn *report, void *opaque, kd_error *err);
kd_code kafka_ddl(const kd_sink_context *context, kd_buf *out, kd_error *err);

kd_code kafka_take_over(void *session, const kd_take_over *request, kd_ledger_image *ret_image, kd_error *err);
kd_code kafka_add_partitions(void *session, const kd_owner *me, const char *job, const kd_new_partition *partitions,
	size_t n, kd_cas *ret_cas, kd_segment *ret_segments, kd_error *err);
kd_code kafka_append_plan(void *session, const kd_owner *me, const kd_batch_partition *entries, size_t n,
	kd_cas *ret_cas, kd_error *err);
kd_code kafka_withdraw(void *session, const kd_owner *me, const kd_batch_partition *entry, kd_cas *ret_cas,
	kd_error *err);
kd_code kafka_reread(void *session, kd_reread_kind kind, const kd_batch_partition *entries, size_t n,
	kd_reread *ret_rows, kd_error *err);
kd_code kafka_verify(void *session, const char *job, kd_segment *ret_segments, size_t n, size_t *ret_n, kd_error *err);
kd_code kafka_prune(void *session, const kd_owner *me, const char *job, int64_t keep_days, int64_t *ret_removed,
	bool *ret_more, kd_error *err);

kd_code kafka_begin(void *session, const kd_owner *me, const kd_batch_partition *entry, kd_cas *ret_cas, kd_error *err);
kd_code kafka_write(void *session, const void *bytes, size_t size, kd_error *err);
kd_code kafka_commit(void *session, const kd_batch_result *result, kd_durability *ret_durability, kd_error *err);
void kafka_abort(void *session);

kd_code kafka_encoder_open(void *sink, void **ret_encoder, kd_error *err);
void kafka_encoder_close(void *encoder);
kd_code kafka_encode(void *encoder, const kd_batch_partition *batch, const kd_record *record, kd_buf *out,
	uint32_t *ret_rows, kd_error *err);
kd_code kafka_flush(void *encoder, const kd_batch_partition *batch, kd_buf *out, kd_error *err);
/* The next row of what an encoder wrote, and past it.  The message borrows from the bytes.  KD_ENOMEM without memory
 * for its headers. */
kd_code kafka_row_read(const char **cursor, kafka_message *ret_message, kd_error *err) KD_CHECK;

kd_code kafka_snapshot_begin(void *session, kd_error *err);
void kafka_snapshot_end(void *session);
kd_code kafka_read_ledger(void *session, const char *job, const kd_ledger_view *view, kd_error *err);
kd_code kafka_scan_offsets(void *session, const char *topic, int32_t partition, kd_range range,
	bool (*row)(void *opaque, int64_t offset), void *opaque, kd_error *err);
kd_code kafka_owner_alive(void *session, const char *job, char *ret_who, size_t size, kd_error *err);

#endif
