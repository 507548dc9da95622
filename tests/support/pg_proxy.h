/* SPDX-License-Identifier: Apache-2.0 */
/* A job whose database is behind a fault proxy (tools/fault_proxy.h); the test itself goes straight to it.
 *
 *     kt_job_open(&job, KT_POSTGRES, 2);
 *     struct fault_proxy *proxy = kt_pg_proxy_open(&job);
 *     kt_proxy_arm(proxy, (struct fault_order) {.deed = FAULT_DROP_ANSWER, KT_COMMIT_OF_DATA, .hit = 1});
 *     kt_job_catch_up(&job, NULL);
 *     kt_proxy_await(proxy, 1);
 *     fault_proxy_close(proxy);
 */
#ifndef KT_PG_PROXY_H
#define KT_PG_PROXY_H

#include "job_fixture.h"
#include "tools/fault_proxy.h"

/* Each kind of COMMIT that a job sends, told by a statement of its transaction. */
#define KT_COMMIT .text = "commit", .whole = true
#define KT_COMMIT_OF_LEDGER KT_COMMIT, .in = "create table"
#define KT_COMMIT_OF_TAKE_OVER KT_COMMIT, .in = ".instance (job, epoch"
#define KT_COMMIT_OF_PARTITIONS KT_COMMIT, .in = ".position (job, partition_index"
#define KT_COMMIT_OF_PLAN KT_COMMIT, .in = ".batch_partition (job, batch_time"
#define KT_COMMIT_OF_DATA KT_COMMIT, .in = "copy "
#define KT_COMMIT_OF_WITHDRAWAL KT_COMMIT, .in = "set withdrawn_at"
#define KT_COMMIT_OF_PRUNING KT_COMMIT, .in = "delete from"

/* Puts a proxy before the job's database, and writes the job file anew so that the job goes through it.
 * more: as for kt_job_write. */
struct fault_proxy *kt_pg_proxy_open(kt_job *job, const char *more);

void kt_proxy_arm(struct fault_proxy *proxy, struct fault_order order);

/* Waits until so many orders are done, or begun, since the proxy was opened. */
void kt_proxy_await(struct fault_proxy *proxy, int64_t done);
void kt_proxy_await_begun(struct fault_proxy *proxy, int64_t begun);

#endif
