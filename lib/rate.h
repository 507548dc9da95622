/* SPDX-License-Identifier: Apache-2.0 */
/* rate: pure: how many records a second the sink can take, and how a number of records is shared out.
 *
 * The estimator is the PID controller of Spark Streaming's back-pressure (PIDRateEstimator: proportional 1, integral
 * 0.2, derivative 0); the split by lag is SPARK-12073's, in whole records. */
#ifndef KD_RATE_H
#define KD_RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KD_RATE_MIN 100.0 /* records a second: never throttled below */

typedef struct kd_rate {
	bool started;
	int64_t at_ms;
	double rate;  /* records a second */
	double error; /* of the sample before */
} kd_rate;

/* Learns from a finished batch: `records` took processing_ms to land, after waiting delay_ms for its turn.  The first
 * sample only seeds; a batch without records or time says nothing.  Returns the new rate in records a second, below 0
 * while nothing is known. */
double kd_rate_update(kd_rate *rate, int64_t now_ms, int64_t records, int64_t processing_ms, int64_t delay_ms,
	int64_t interval_ms);

/* Shares `total` whole records among n partitions in proportion to their lag, none above its lag.  What rounding
 * leaves over goes one by one to the partitions from `turn` on, so that over successive batches each one advances. */
void kd_rate_split(int64_t total, const int64_t *lags, size_t n, size_t turn, int64_t *ret_shares);

/* Shares `total` evenly: none above its wish, the small ones whole, the rest one level; the remainder goes from `turn`
 * on.  Max-min fairness: a busy partition never starves a quiet one. */
void kd_rate_level(int64_t total, const int64_t *wishes, size_t n, size_t turn, int64_t *ret_shares);

#endif
