/* SPDX-License-Identifier: Apache-2.0 */
/* keyed_fake: a keyed target that writes down what it is asked and does what it is told, and a job on it, call by
 * call. */
#ifndef KD_TEST_KEYED_FAKE_H
#define KD_TEST_KEYED_FAKE_H

#include <kdirect/keyed.h>

extern struct kf_target {
	kd_buf log; /* one word a call */
	kd_buf puts; /* one line a put */
	size_t calls, most_in_a_call;
	int opened, closed, connected, disconnected, interrupted;
	kd_error fails;       /* what the next put says, once */
	kd_code fails_with;   /* with this code */
	int fails_times;    /* so often, at least once */
	kd_error flush_fails;
	void (*in_put)(void); /* happens during the first put */
	const char *target;
} kf_target;
extern char *kf_ledger; /* the file */
extern const kd_keyed_ops kf_by_record, kf_by_identifier;

typedef struct kf_job {
	const kd_sink_ops *ops;
	kd_config *config;
	void *sink, *session, *encoder;
	kd_owner me;
	kd_batch_partition batch;
	kd_buf rows;
	int64_t n_rows;
} kf_job;

/* Before and after each test: a folder, an empty target. */
void kf_setup(void);
void kf_teardown(void);
/* What a buffer holds, as a string. */
const char *kf_text(kd_buf *buf);
void kf_must(kd_code code, const kd_error *err);
kd_config *kf_configure(const kd_sink_ops *ops, const char *name);
/* Opened and connected, not taken over. */
kf_job kf_open(const kd_keyed_ops *made_of, const char *name);
/* The first start of job "j" with this owner: opened, taken over, one partition of topic "o". */
kf_job kf_start(const kd_keyed_ops *made_of, const char *owner);
kd_code kf_take_over(kf_job *j, const char *name, const char *owner, kd_error *err);
void kf_stop(kf_job *j);
/* Plans a range, from here on the one in hand, and empties the rows. */
void kf_plan(kf_job *j, int64_t from, int64_t until);
/* Encodes a record of the range in hand. */
kd_code kf_add(kf_job *j, int64_t offset, const char *key, const char *value, const char *table, kd_error *err);
void kf_must_add(kf_job *j, int64_t offset, const char *key, const char *value, const char *table);
void kf_add_many(kf_job *j, int n);
kd_cas kf_begin(kf_job *j);
kd_code kf_write(kf_job *j, kd_error *err);
kd_code kf_commit(kf_job *j, kd_error *err);
/* What the library does with a batch partition, once. */
kd_code kf_land(kf_job *j, kd_error *err);
kd_reread kf_reread(kf_job *j);

#endif
