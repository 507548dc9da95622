// SPDX-License-Identifier: Apache-2.0
// What a person waits for: from start to the first commit; `kdirect offsets` on 1,000 partitions; and what an idle job of
// 64 partitions costs at an interval of 100 ms.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../support/check.h"
#include "../support/kafka_admin.h"
#include "../support/kafka_producer.h"
#include "../support/measure.h"
#include "../support/pg_fixture.h"
#include "../support/process.h"
#include "../support/tmpdir.h"

enum { ROUNDS = 7, IDLE_SECONDS = 20 };

static char *new_topic(const char *prefix, int partitions, bool one_record)
{
	char *topic = kt_own_name(prefix);
	kt_admin *admin = kt_admin_open(NULL);
	kt_topic_create(admin, topic, partitions, NULL);
	kt_admin_close(admin);
	kt_producer *producer = kt_producer_open(NULL, NULL);
	for (int p = 0; one_record && p < partitions; p++)
		kt_produce_text(producer, topic, p, "key", "value");
	kt_producer_flush(producer);
	kt_producer_close(producer);
	return topic;
}

static char *write_job(const char *dir, const kt_pg *pg, const char *topic, int interval_ms)
{
	return kt_write_file(dir, "job.json", "{\"job\": \"quick\", \"kafka\": {\"bootstrap.servers\": \"%s\"}, "
		"\"topics\": [\"%s\"], \"start\": \"earliest\", \"batch\": {\"interval_ms\": %d}, \"sink\": {\"type\": "
		"\"postgres\", \"dsn\": \"%s\", \"table\": \"public.landed\"}}", kt_env("KD_TEST_KAFKA"), topic, interval_ms,
		pg->dsn);
}

/* Process start to the row being visible, the process being new and the ledger there already (a restart). */
static double first_commit_ms(const char *topic)
{
	char *dir = kt_tmpdir();
	kt_pg pg;
	kt_pg_open(&pg);
	char *job = write_job(dir, &pg, topic, 1000);
	double start_s = kt_now_s();
	kt_process *process = kt_kdirect(dir, NULL, "run", "-q", job, NULL);
	while (kt_pg_int(&pg, "select case when to_regclass('public.landed') is null then 0 else 1 end") == 0 ||
		kt_pg_int(&pg, "select count(*) from public.landed") == 0)
		kt_check(kt_process_running(process), "kdirect ended: %s", kt_process_stderr(process));
	double ms = (kt_now_s() - start_s) * 1000;
	kt_process_signal(process, SIGTERM);
	kt_process_wait(process, 10000);
	kt_process_free(process);
	free(job);
	kt_pg_close(&pg);
	kt_tmpdir_remove(dir);
	return ms;
}

static void bench_first_commit(void)
{
	double ms[ROUNDS];
	char *topic = new_topic("first", 4, true);
	for (int i = 0; i < ROUNDS; i++)
		ms[i] = first_commit_ms(topic);
	printf("first commit: %.0f ms from process start to the row being visible, ledger and table made on the way, median "
		"of %d\n", kt_median(ms, ROUNDS), ROUNDS);
	free(topic);
}

static void bench_offsets(void)
{
	double ms[ROUNDS];
	char *dir = kt_tmpdir(), *topic = new_topic("offsets", 1000, false);
	const char *argv[] = {kt_env("KD_BIN"), "offsets", "-b", kt_env("KD_TEST_KAFKA"), "-t", topic, "--json", NULL};
	for (int i = 0; i < ROUNDS; i++)
		ms[i] = kt_measure(dir, argv).wall_s * 1000;
	printf("offsets: %.0f ms for a topic of 1000 partitions, median of %d\n", kt_median(ms, ROUNDS), ROUNDS);
	free(topic);
	kt_tmpdir_remove(dir);
}

static double cpu_of(pid_t pid)
{
	char *path = kt_format("/proc/%d/stat", (int) pid), *text = kt_read_file(path);
	unsigned long user = 0, system = 0;
	const char *after_name = strrchr(text, ')');
	kt_check(after_name && sscanf(after_name + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) == 2,
		"could not read %s", path);
	free(text);
	free(path);
	return (double) (user + system) / (double) sysconf(_SC_CLK_TCK);
}

static void bench_idle(void)
{
	char *dir = kt_tmpdir(), *topic = new_topic("idle", 64, true);
	kt_pg pg;
	kt_pg_open(&pg);
	char *job = write_job(dir, &pg, topic, 100);
	kt_process *process = kt_kdirect(dir, NULL, "run", "-q", job, NULL);
	while (kt_pg_int(&pg, "select case when to_regclass('public.landed') is null then 0 else 1 end") == 0 ||
		kt_pg_int(&pg, "select count(*) from public.landed") < 64)
		kt_check(kt_process_running(process), "kdirect ended: %s", kt_process_stderr(process));
	sleep(15); /* idle sessions tell their transactions ten seconds late */
	const char *count = "select xact_commit + xact_rollback from pg_stat_database where datname = current_database()";
	double cpu_s = cpu_of(kt_process_pid(process));
	int64_t transactions = kt_pg_int(&pg, "%s", count);
	sleep(IDLE_SECONDS);
	cpu_s = cpu_of(kt_process_pid(process)) - cpu_s;
	transactions = kt_pg_int(&pg, "%s", count) - transactions;
	printf("idle: 64 partitions, interval 100 ms, %d s: %.2f %% of a core, %.2f transactions a second (one of this "
		"look's own included)\n", IDLE_SECONDS, 100 * cpu_s / IDLE_SECONDS, (double) transactions / IDLE_SECONDS);
	kt_process_signal(process, SIGTERM);
	kt_process_wait(process, 10000);
	kt_process_free(process);
	free(job);
	free(topic);
	kt_pg_close(&pg);
	kt_tmpdir_remove(dir);
}

int main(void)
{
	bench_first_commit();
	bench_offsets();
	bench_idle();
	return 0;
}
