/* SPDX-License-Identifier: Apache-2.0 */
/* kdirect/error.h: how every call that can fail reports it.
 *
 * A call that can fail returns a kd_code and takes a `kd_error *` as its last argument.  The error is the
 * caller's own, usually on the stack as `kd_error err = {0};`: there is nothing to free.  It says what
 * failed (code), what the caller is to do next (action) and why, in one line (message).  The action is
 * chosen once, where the native error is seen; callers further out pass it on. */
#ifndef KDIRECT_ERROR_H
#define KDIRECT_ERROR_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define KD_API __attribute__((visibility("default")))
#define KD_CHECK __attribute__((warn_unused_result))
#define KD_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define KD_API
#define KD_CHECK
#define KD_PRINTF(fmt, args)
#endif

/* What went wrong.  Stable numbers: append, never renumber. */
typedef enum kd_code {
	KD_OK = 0,
	KD_ENOMEM = 1,    /* no memory */
	KD_EINVAL = 2,    /* a call that makes no sense: a programming mistake */
	KD_ECONFIG = 3,   /* the configuration is wrong */
	KD_EIO = 4,       /* a file or a system call */
	KD_ELEDGER = 5,   /* the ledger contradicts itself or the plan: it does not tile */
	KD_ELOSS = 6,     /* planned or due offsets are no longer in the topic, or it is another log */
	KD_EFENCED = 7,   /* a newer instance of this job took over */
	KD_EBROKER = 8,   /* Kafka */
	KD_ESINK = 9,     /* the sink */
	KD_ERECORD = 10,  /* a record that cannot be delivered; kd_error.offset or .row names it */
	KD_ETARGET = 11,  /* the target cannot give the guarantee */
	KD_EWENTBACK = 12, /* the database went back in time: take over again */
	KD_ESTOPPED = 13, /* stopped on request */
	KD_EBUSY = 14     /* somebody else holds what is needed, and may not be ended from here */
} kd_code;

/* What the caller must do next.  Exactly one applies. */
typedef enum kd_action {
	KD_STOP = 0, /* no repetition can help: end the job */
	KD_RETRY,    /* nothing happened: the same call may be repeated with the same arguments */
	KD_REPLAY,   /* abort the open transaction, then run the same batch partition again */
	KD_RESOLVE   /* the outcome is unknown: repeat the write, which knows; never ask by reading */
} kd_action;

typedef struct kd_error {
	kd_code code;
	kd_action action;
	int native;         /* rd_kafka_resp_err_t, errno or SQLite code; 0 where none */
	char sqlstate[6];   /* PostgreSQL's, else "" */
	int64_t row;        /* KD_ERECORD from a sink's write or commit: which row since begin, from 1; 0 unknown */
	int64_t offset;     /* KD_ERECORD from an encoder: the record's Kafka offset; -1 or 0 with row set: see row */
	char message[1024]; /* one line, no newline at its end, no secrets */
} kd_error;

/* Fills *err unless it already holds an error (the first one wins); err may be NULL.  Returns code. */
KD_API kd_code kd_error_set(kd_error *err, kd_code code, kd_action action, const char *format, ...) KD_PRINTF(4, 5);

/* Puts "prefix: " before the message, at a module's border.  Returns err's code. */
KD_API kd_code kd_error_prefix(kd_error *err, const char *format, ...) KD_PRINTF(2, 3);

/* Makes sure that a failure has an error, which err may not hold where somebody else's function failed without a word:
 * then it becomes KD_STOP and 'KIND "NAME" failed with CODE and gave no reason'.  Returns KD_OK where code is, else
 * err's code: what holds for all that follows. */
KD_API kd_code kd_error_explain(kd_error *err, kd_code code, const char *kind, const char *name);

/* Forgets what err holds, so that it can be used again. */
KD_API void kd_error_clear(kd_error *err);

/* "KD_EFENCED" and "RETRY", for logs and tests; never NULL. */
KD_API const char *kd_code_name(kd_code code);
KD_API const char *kd_action_name(kd_action action);

#ifdef __cplusplus
}
#endif
#endif
