/* SPDX-License-Identifier: Apache-2.0 */
/* pg_data: the data transaction's slots of kd_sink_ops: rows and identifier in one commit (I2, I3, I6, I7, I9).
 *
 *	begin   the tables are locked, the position moves, the identifier is marked: all told before a byte of data is sent
 *	write   frames of the encoder go into COPY; one COPY stays open as long as table and columns are the same
 *	commit  COPY's tags must add up to the rows that were handed in, for each table; then counts, gaps and COMMIT in one
 *	        round trip */
#ifndef PG_DATA_H
#define PG_DATA_H

#include <kdirect/sink.h>

#include "pg_conn.h"

kd_code pg_data_begin(void *session, const kd_owner *me, const kd_batch_partition *entry, kd_cas *ret_cas,
	kd_error *err);
kd_code pg_data_write(void *session, const void *bytes, size_t size, kd_error *err);
kd_code pg_data_commit(void *session, const kd_batch_result *result, kd_durability *ret_durability, kd_error *err);
void pg_data_abort(void *session);

/* Everything that was written lands, so that the transaction sees it; each table must have stored what it was sent
 * (KD_ESINK, STOP).  No COPY is open afterwards. */
kd_code pg_data_settle(pg_session *session, kd_error *err) KD_CHECK;

#endif
