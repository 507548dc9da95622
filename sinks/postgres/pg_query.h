/* SPDX-License-Identifier: Apache-2.0 */
/* pg_query: kd_sink_ops.query: reads what the open data transaction sees, its own rows included. */
#ifndef PG_QUERY_H
#define PG_QUERY_H

#include <kdirect/sink.h>

kd_code pg_query(void *session, const char *sql, const char *const *params, size_t n_params,
	bool (*row)(void *opaque, const char *const *values, size_t n), void *opaque, kd_error *err);

#endif
