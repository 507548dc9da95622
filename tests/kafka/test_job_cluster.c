// SPDX-License-Identifier: Apache-2.0
// A job on three brokers: one that leads partitions is killed and comes back; leaders move away and the job goes on.
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>

#include "../support/job_fixture.h"
#include "../support/job_judge.h"
#include "../support/servers.h"
#include "../support/tmpdir.h"
#include "../support/wait.h"

enum { PARTITIONS = 6, RECORDS = 500, VICTIM = 2 }; /* node 1 is the controller, which elects */

static bool leads_nothing(void *job)
{
	for (int p = 0; p < PARTITIONS; p++) {
		int leader = kt_topic_leader(((kt_job *) job)->admin, ((kt_job *) job)->topic, p);
		if (leader == VICTIM || leader < 0)
			return false;
	}
	return true;
}

static int led_by_the_victim(kt_job *job)
{
	int n = 0;
	for (int p = 0; p < PARTITIONS; p++)
		n += kt_topic_leader(job->admin, job->topic, p) == VICTIM;
	return n;
}

static void fill_all(kt_job *job)
{
	for (int p = 0; p < PARTITIONS; p++)
		kt_job_fill(job, p, RECORDS);
}

Test(cluster, goes_on_where_leaders_move, .timeout = 240)
{
	char *dir = kt_tmpdir(), *servers = kt_path(dir, "kafka");
	char *bootstrap = kt_server_start("kafka.sh", servers, "3");
	setenv("KD_TEST_KAFKA", bootstrap, 1);
	kt_job job;
	kt_job_open(&job, KT_SQLITE, PARTITIONS);
	cr_assert_gt(led_by_the_victim(&job), 0, "the broker to be killed leads nothing");
	kt_process *process = kt_job_start(&job, NULL, NULL);
	fill_all(&job);
	kt_job_await(&job, PARTITIONS * RECORDS, 60000, "select count(*) from t");

	kt_server_do("kafka.sh", "kill", servers, "2", NULL);
	kt_await(leads_nothing, &job, 60000, "leaders to move");
	fill_all(&job);
	kt_job_await(&job, 2 * PARTITIONS * RECORDS, 60000, "select count(*) from t");

	kt_server_do("kafka.sh", "resume", servers, "2", NULL);
	fill_all(&job);
	kt_job_await(&job, 3 * PARTITIONS * RECORDS, 60000, "select count(*) from t");
	kt_process_signal(process, SIGTERM);
	kt_job_must_end(process, 0, NULL, 10000);
	kt_judge_clean(&job.store, "t", job.topic);
	kt_job_close(&job);
	kt_server_do("kafka.sh", "remove", servers, NULL);
	free(bootstrap);
	free(servers);
	kt_tmpdir_remove(dir);
}
