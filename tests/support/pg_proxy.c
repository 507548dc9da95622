/* SPDX-License-Identifier: Apache-2.0 */
/* A job's database behind a fault proxy: see pg_proxy.h. */
#include "pg_proxy.h"

#include <inttypes.h>
#include <stdlib.h>

#include "check.h"
#include "tmpdir.h"
#include "wait.h"

#define AWAIT_MS 90000

struct fault_proxy *kt_pg_proxy_open(kt_job *job, const char *more)
{
	kt_pg *pg = &job->store.pg;
	const char *why;
	char *target = kt_format("127.0.0.1:%s", PQport(pg->conn));
	struct fault_proxy *proxy = fault_proxy_open(FAULT_PROXY_POSTGRES, 0, target, &why);

	kt_check(proxy, "could not open a proxy: %s", why);
	free(target);
	free(job->store.sink);
	job->store.sink = kt_format("\"type\": \"postgres\", \"dsn\": \"host=127.0.0.1 port=%d dbname=%s user=postgres\"",
		fault_proxy_port(proxy), pg->name);
	kt_job_write(job, more);
	return proxy;
}

void kt_proxy_arm(struct fault_proxy *proxy, struct fault_order order)
{
	kt_check(fault_proxy_arm(proxy, &order), "no memory");
}

static void await(struct fault_proxy *proxy, int64_t (*count)(struct fault_proxy *proxy), int64_t n, const char *what)
{
	int64_t end = kt_now_ms() + AWAIT_MS;

	while (count(proxy) < n) {
		kt_check(kt_now_ms() < end, "%" PRId64 " orders are %s, not %" PRId64, count(proxy), what, n);
		kt_pause();
	}
}

void kt_proxy_await(struct fault_proxy *proxy, int64_t done)
{
	await(proxy, fault_proxy_done, done, "done");
}

void kt_proxy_await_begun(struct fault_proxy *proxy, int64_t begun)
{
	await(proxy, fault_proxy_begun, begun, "begun");
}
