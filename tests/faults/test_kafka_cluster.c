/* SPDX-License-Identifier: Apache-2.0 */
/* Three brokers, of which some or all go: leaders that move, a controller that is gone, a cluster that is killed as a
 * whole, and an unclean election, which cuts the log short.  One cluster serves all tests; node 1 is its controller. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "kafka_faults.h"
#include "own_broker.h"
#include "servers.h"
#include "tmpdir.h"
#include "wait.h"

enum { PARTITIONS = 4, RECORDS = 2000, DEADLINE_MS = 90000 };

static const int32_t second[] = {2, 3};

/* ---- the cluster ---- */

static char *start_cluster(const char *dir)
{
	return kt_server_start("kafka.sh", dir, "3");
}

ReportHook(PRE_ALL)(struct criterion_test_set *all)
{
	own_broker_start(all, "cluster", start_cluster);
}

/* "kill", "resume" ... of one node, or of all. */
static void cluster(const char *verb, const char *node)
{
	kt_server_do("kafka.sh", verb, kt_env(OWN_BROKER), node, NULL);
}

static void signal_broker(int node, int signal)
{
	char *path = kt_format("%s/node%d/pid", kt_env(OWN_BROKER), node), *pid = kt_read_file(path);

	kt_check(kill((pid_t) strtol(pid, NULL, 10), signal) == 0, "no broker %d", node);
	free(pid);
	free(path);
}

/* ---- topics and leaders ---- */

typedef struct leadership {
	kt_job *job;
	int partitions, leader;
} leadership;

static bool leads_all(void *opaque)
{
	leadership *l = opaque;

	for (int p = 0; p < l->partitions; p++)
		if (kt_topic_leader(l->job->admin, l->job->topic, p) != l->leader)
			return false;
	return true;
}

static void await_leader(kt_job *job, int partitions, int leader)
{
	kt_await(leads_all, &(leadership) {job, partitions, leader}, DEADLINE_MS, "a new leader");
}

static void open_on(kt_job *job, int partitions, const int32_t *brokers)
{
	kt_job_open(job, KT_SQLITE, 0);
	kt_topic_create_on(job->admin, job->topic, partitions, brokers, 2, "unclean.leader.election.enable", "true", NULL);
}

static void fill_all(kt_job *job)
{
	for (int p = 0; p < PARTITIONS; p++)
		kt_job_fill(job, p, RECORDS);
}

/* Has Kafka's own tool give every partition these brokers, in this order. */
static void reassign(kt_job *job, int first, int next)
{
	char *list = NULL;

	for (int p = 0; p < PARTITIONS; p++) {
		char *longer = kt_format("%s%s{\"topic\":\"%s\",\"partition\":%d,\"replicas\":[%d,%d]}", list ? list : "",
			list ? "," : "", job->topic, p, first, next);
		free(list);
		list = longer;
	}
	char *path = kt_write_file(job->dir, "replicas.json", "{\"version\":1,\"partitions\":[%s]}", list);
	kt_server_do("kafka.sh", "java", kt_env(OWN_BROKER), "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
		"--bootstrap-server", kt_env("KD_TEST_KAFKA"), "--reassignment-json-file", path, "--execute", NULL);
	free(path);
	free(list);
}

static void elect_preferred(void)
{
	kt_server_do("kafka.sh", "java", kt_env(OWN_BROKER), "org.apache.kafka.tools.LeaderElectionCommand",
		"--bootstrap-server", kt_env("KD_TEST_KAFKA"), "--election-type", "preferred", "--all-topic-partitions", NULL);
}

/* ---- F23 ---- */

static void stop_and_judge(kt_job *job, kt_process *process)
{
	kt_process_signal(process, SIGTERM);
	kt_job_must_end(process, 0, NULL, 20000);
	kt_judge_clean(&job->store, "t", job->topic);
}

/* F23, I1, I2, I3, I8: to a broker that holds a copy, and to one that gets it first */
Test(kafka_cluster, leaders_that_move_while_a_job_reads_cost_no_record, .timeout = 400)
{
	kt_job job;

	open_on(&job, PARTITIONS, second);
	fill_all(&job);
	kt_process *process = kt_job_start(&job, NULL, "--set", "batch.max_records_per_batch=40", NULL);
	kt_job_await(&job, 100, DEADLINE_MS, "select count(*) from t");
	reassign(&job, 3, 2);
	elect_preferred();
	await_leader(&job, PARTITIONS, 3);
	fill_all(&job);
	reassign(&job, 1, 3);
	elect_preferred();
	await_leader(&job, PARTITIONS, 1);
	fill_all(&job);
	kt_job_await(&job, 3 * PARTITIONS * RECORDS, DEADLINE_MS, "select count(*) from t");
	stop_and_judge(&job, process);
	kt_job_close(&job);
}

/* F23, I1, I2, I3, I8 */
Test(kafka_cluster, the_controller_and_then_all_brokers_may_be_killed_under_a_job, .timeout = 400)
{
	kt_job job;

	open_on(&job, PARTITIONS, second);
	fill_all(&job);
	kt_process *process = kt_job_start(&job, NULL, "--set", "batch.max_records_per_batch=40", NULL);
	kt_job_await(&job, 100, DEADLINE_MS, "select count(*) from t");
	cluster("kill", "1");
	fill_all(&job);
	kt_job_await(&job, 2 * PARTITIONS * RECORDS, DEADLINE_MS, "select count(*) from t");
	cr_assert(kt_process_running(process), "%s", kt_process_stderr(process));

	cluster("kill", NULL);
	cluster("resume", NULL);
	fill_all(&job);
	kt_job_await(&job, 3 * PARTITIONS * RECORDS, DEADLINE_MS, "select count(*) from t");
	stop_and_judge(&job, process);
	kt_job_close(&job);
}

/* ---- F19 ---- */

static bool leads_alone(void *job)
{
	return kt_topic_in_sync(((kt_job *) job)->admin, ((kt_job *) job)->topic, 0) == 1;
}

/* [0, 100) is on both brokers and landed, [100, 200) on one, and landed too. */
static kt_oracle fall_behind(kt_job *job)
{
	kt_await(leads_alone, job, DEADLINE_MS, "the frozen broker to fall behind");
	kf_fill_at_once(job, 0, 100, 100);
	return kt_oracle_read(NULL, job->topic, true);
}

/* A frozen broker would take every new client's first question. */
static void ask_the_controller_first(void)
{
	char *all = strdup(kt_env("KD_TEST_KAFKA"));

	kt_check(all, "no memory");
	all[strcspn(all, ",")] = '\0';
	setenv("KD_TEST_KAFKA", all, 1);
	free(all);
}

enum { DOWN_SHORT, DOWN_GROWN, RUNS_SHORT, RUNS_GROWN, JOBS };

/* F19, I4, I10: a follower that was left behind is elected.  Found out from the log's end, or, where other records have
 * grown over the old position, by the witness; by jobs that were down meanwhile and by jobs that ran. */
Test(kafka_cluster, unclean_elections_that_truncate_the_log_stop_the_job_also_where_it_grew_again, .timeout = 400)
{
	kt_job jobs[JOBS];
	kt_oracle noted[JOBS];
	kt_process *running[JOBS] = {NULL};

	ask_the_controller_first();
	for (int i = 0; i < JOBS; i++) {
		open_on(&jobs[i], 1, second);
		kf_fill_at_once(&jobs[i], 0, 0, 100);
		if (i >= RUNS_SHORT)
			running[i] = kt_job_start(&jobs[i], NULL, NULL);
	}
	signal_broker(3, SIGSTOP);
	for (int i = 0; i < JOBS; i++) {
		noted[i] = fall_behind(&jobs[i]);
		if (i < RUNS_SHORT)
			kt_job_catch_up(&jobs[i], NULL);
		kt_job_await(&jobs[i], 200, DEADLINE_MS, "select max(committed_until) from @position");
	}
	cluster("kill", "2");
	signal_broker(3, SIGCONT);
	for (int i = 0; i < JOBS; i++) {
		await_leader(&jobs[i], 1, 3);
		if (i == DOWN_GROWN || i == RUNS_GROWN)
			kf_fill_at_once(&jobs[i], 0, 1000000, 150);
	}
	for (int i = 0; i < JOBS; i++) {
		bool grown = i == DOWN_GROWN || i == RUNS_GROWN;
		kt_process *process = running[i] ? running[i] : kt_job_start(&jobs[i], NULL, NULL);
		kf_must_stop_for_loss(&jobs[i], process, grown ? "not the log that was read before" : NULL);
		kf_judge_but(&jobs[i], &noted[i], 0, 200, KF_THE_END);
		kt_oracle_done(&noted[i]);
		kt_job_close(&jobs[i]);
	}
}
