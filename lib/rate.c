// SPDX-License-Identifier: Apache-2.0
// rate: pure: the back-pressure estimator and the two ways in which a number of records is shared out.
#include "rate.h"

static const double PROPORTIONAL = 1.0;
static const double INTEGRAL = 0.2;

double kd_rate_update(kd_rate *rate, int64_t now_ms, int64_t records, int64_t processing_ms, int64_t delay_ms,
	int64_t interval_ms)
{
	if (records <= 0 || processing_ms <= 0 || (rate->started && now_ms <= rate->at_ms))
		return rate->started ? rate->rate : -1;
	double processed = (double) records * 1000.0 / (double) processing_ms;
	if (!rate->started) {
		*rate = (kd_rate) {.started = true, .at_ms = now_ms, .rate = processed};
		return rate->rate;
	}
	/* The delay's backlog, had it been processed at this speed, spread over one interval. */
	double backlog = (double) delay_ms * processed / (double) interval_ms;
	double error = rate->rate - processed;
	double next = rate->rate - PROPORTIONAL * error - INTEGRAL * backlog;
	rate->rate = next > KD_RATE_MIN ? next : KD_RATE_MIN;
	rate->error = error;
	rate->at_ms = now_ms;
	return rate->rate;
}

/* Hands out `rest` records one by one, in turn, to those that still want one. */
static void hand_out_rest(int64_t rest, const int64_t *wishes, size_t n, size_t turn, int64_t *shares)
{
	for (size_t k = 0; k < n && rest > 0; k++) {
		size_t i = (turn + k) % n;
		if (shares[i] < wishes[i]) {
			shares[i]++;
			rest--;
		}
	}
}

void kd_rate_split(int64_t total, const int64_t *lags, size_t n, size_t turn, int64_t *ret_shares)
{
	__extension__ __int128 sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += lags[i];
	int64_t rest = total;
	for (size_t i = 0; i < n; i++) {
		__extension__ __int128 share = sum <= total ? lags[i] : (__int128) lags[i] * total / sum;
		ret_shares[i] = (int64_t) share;
		rest -= ret_shares[i];
	}
	hand_out_rest(rest, lags, n, turn, ret_shares);
}

void kd_rate_level(int64_t total, const int64_t *wishes, size_t n, size_t turn, int64_t *ret_shares)
{
	for (size_t i = 0; i < n; i++)
		ret_shares[i] = 0;
	for (;;) {
		size_t open = 0;
		for (size_t i = 0; i < n; i++)
			open += ret_shares[i] < wishes[i];
		int64_t step = open ? total / (int64_t) open : 0;
		if (step == 0)
			break;
		for (size_t i = 0; i < n; i++) {
			int64_t want = wishes[i] - ret_shares[i];
			int64_t more = want < step ? want : step;
			ret_shares[i] += more;
			total -= more;
		}
	}
	hand_out_rest(total, wishes, n, turn, ret_shares);
}
