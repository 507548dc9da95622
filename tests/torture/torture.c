/* SPDX-License-Identifier: Apache-2.0 */
/* torture PIECE SINK COUNT FROM SEED: see torture.h and torture.sh. */
#include "torture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"
#include "wait.h"

typedef struct piece {
	const char *name;
	torture_fn *run;
	int part; /* faults against one job, before it is judged */
} piece;

static const piece pieces[] = {
	{"singles", torture_singles, 500},
	{"doubles", torture_doubles, 200},
	{"pg-crashes", torture_pg_crashes, 50},
	{"zombies", torture_zombies, 50},
	{"lost-answers", torture_lost_answers, 250},
	{0},
};

static const piece *find_piece(const char *name)
{
	const piece *p = pieces;

	while (p->name && strcmp(p->name, name) != 0)
		p++;
	kt_check(p->name, "no such piece: %s", name);
	return p;
}

static const crash_sink *find_sink(const char *name)
{
	static const crash_sink *const sinks[] = {&crash_postgres, &crash_sqlite, &crash_file, &crash_kafka};

	for (size_t i = 0; i < sizeof(sinks) / sizeof(sinks[0]); i++)
		if (strcmp(sinks[i]->name, name) == 0)
			return sinks[i];
	kt_fail("no such sink: %s", name);
}

static void record(const torture_part *part, int64_t seconds)
{
	const char *commit = getenv("KD_TORTURE_COMMIT");
	FILE *file = fopen(kt_env("KD_TORTURE_RESULTS"), "a");
	time_t now = time(NULL);
	struct tm utc;
	char date[32];

	gmtime_r(&now, &utc);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", &utc);
	kt_check(file, "could not open the results");
	fprintf(file,
		"{\"date\": \"%s\", \"commit\": \"%s\", \"piece\": \"%s\", \"sink\": \"%s\", \"seed\": %u, \"from\": %d, \"faults\": %d,"
		" \"records\": %" PRId64 ", \"seconds\": %" PRId64 ", \"violations\": %" PRId64 "}\n",
		date, commit ? commit : "", part->piece, part->sink->name, part->seed, part->from, part->faults, part->records,
		seconds, part->violations);
	kt_check(fclose(file) == 0, "could not write the results");
}

/* One job of it.  Its seed is announced before, so that also a part that fails can be repeated. */
static int run_part(const piece *p, const crash_sink *sink, int wanted, int from, unsigned int seed)
{
	torture_part part = {.piece = p->name, .sink = sink, .seed = seed, .from = from, .wanted = wanted};
	int64_t began = kt_now_ms();
	char text[16];

	snprintf(text, sizeof(text), "%u", seed);
	kt_check(setenv("KD_SEED", text, 1) == 0, "no environment");
	printf("torture: part PIECE=%s SINK=%s COUNT=%d FROM=%d SEED=%u\n", p->name, sink->name, wanted, from, seed);
	fflush(stdout);
	p->run(&part);
	record(&part, (kt_now_ms() - began) / 1000);
	printf("torture: %d %s at %s, %" PRId64 " records, %" PRId64 " violations, %" PRId64 " s\n", part.faults, p->name,
		sink->name, part.records, part.violations, (kt_now_ms() - began) / 1000);
	fflush(stdout);
	kt_check(part.violations == 0, "violated:%s", part.what);
	free(part.what);
	return part.faults;
}

int main(int argc, char **argv)
{
	kt_check(argc == 6, "usage: torture PIECE SINK COUNT FROM SEED");
	const piece *p = find_piece(argv[1]);
	const crash_sink *sink = find_sink(argv[2]);
	int left = atoi(argv[3]), from = atoi(argv[4]);
	unsigned int seed = (unsigned int) strtoul(argv[5], NULL, 10);

	while (left > 0) {
		int done = run_part(p, sink, left < p->part ? left : p->part, from, seed++);

		from += done;
		left -= done;
	}
	return 0;
}
