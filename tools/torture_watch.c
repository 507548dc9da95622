/* SPDX-License-Identifier: Apache-2.0 */
/* torture_watch: see torture_watch.h. */
#include "torture_watch.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum { PAUSE_MS = 100 };

struct torture_watch {
	struct torture_schema *session;
	pthread_t thread;
	atomic_bool ends;
	pthread_mutex_t lock;
	struct torture_seen seen; /* under the lock */
};

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static void keep(struct torture_seen *seen, const struct torture_counts *now)
{
	struct torture_counts *worst = &seen->worst, before = *worst;

	seen->looks++;
	*worst = *now;
	worst->torn = larger(now->torn, before.torn);
	worst->out_of_order = larger(now->out_of_order, before.out_of_order);
	worst->wrong_counters = larger(now->wrong_counters, before.wrong_counters);
	worst->untiled = larger(now->untiled, before.untiled);
	worst->repeated = larger(now->repeated, before.repeated);
	worst->unfenced = larger(now->unfenced, before.unfenced);
}

/* The ledger is not there before the job's first start, and the server may be away: then there was no look. */
static void *watch_main(void *opaque)
{
	struct torture_watch *watch = opaque;
	const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};
	struct torture_counts now;
	const char *why;

	while (!atomic_load(&watch->ends)) {
		if (torture_schema_committed(watch->session) >= 0 && torture_schema_count(watch->session, 0, &now, &why)) {
			pthread_mutex_lock(&watch->lock);
			keep(&watch->seen, &now);
			pthread_mutex_unlock(&watch->lock);
		}
		nanosleep(&pause, NULL);
	}
	return NULL;
}

struct torture_watch *torture_watch_start(struct torture_schema *session)
{
	struct torture_watch *watch = calloc(1, sizeof *watch);

	if (!watch)
		return NULL;
	watch->session = session;
	pthread_mutex_init(&watch->lock, NULL);
	if (pthread_create(&watch->thread, NULL, watch_main, watch) == 0)
		return watch;
	pthread_mutex_destroy(&watch->lock);
	free(watch);
	return NULL;
}

void torture_watch_read(struct torture_watch *watch, struct torture_seen *ret_seen)
{
	pthread_mutex_lock(&watch->lock);
	*ret_seen = watch->seen;
	pthread_mutex_unlock(&watch->lock);
}

void torture_watch_end(struct torture_watch *watch)
{
	if (!watch)
		return;
	atomic_store(&watch->ends, true);
	pthread_join(watch->thread, NULL);
	pthread_mutex_destroy(&watch->lock);
	torture_schema_close(watch->session);
	free(watch);
}
