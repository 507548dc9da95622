/* SPDX-License-Identifier: Apache-2.0 */
/* A cluster that asks who one is: SASL, TLS and ACLs.  A job needs Describe and Read on its topic and nothing else; who
 * may not read is told so, naming the topic; and a secret shows nowhere, whatever happens.
 *
 * Each test has a broker of its own: the suite's trusts everybody. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "job_judge.h"
#include "job_store.h"
#include "kafka_admin.h"
#include "kafka_producer.h"
#include "oracle.h"
#include "process.h"
#include "servers.h"
#include "tmpdir.h"

#define SECRET "open-sesame-4711"
#define WRONG_SECRET "open-barley-0815"
#define LOGINS \
	"org.apache.kafka.common.security.plain.PlainLoginModule required" \
	" user_reader=\"" SECRET "\" user_looker=\"" SECRET "\" user_stranger=\"" SECRET "\";"
#define TIMEOUT_MS 60000
#define RECORDS 500

/* What the tests write, and what kdirect writes, is in `dir`; keys, secrets and the broker are in `vault`. */
typedef struct secured {
	char *vault, *dir, *servers, *topic;
	char *sasl, *tls; /* bootstrap servers of the listeners that ask for a password */
	kt_admin *admin;
	kt_store store;
} secured;

static void must_run(const char *dir, const char *script, const char *argument)
{
	const char *argv[] = {"sh", "-e", "-c", script, "sh", argument, NULL};
	kt_process *process = kt_process_start(dir, NULL, argv);
	int code = kt_process_wait(process, TIMEOUT_MS);

	kt_check(code == 0, "%s: %s", script, kt_process_stderr(process));
	kt_process_free(process);
}

/* ca.pem is who vouches for the broker, other.pem vouches for nobody. */
static void make_keys(const char *vault)
{
	must_run(vault,
		"cd \"$1\"; key='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2'\n"
		"openssl req -x509 $key -subj /CN=authority -keyout ca.key -out ca.pem\n"
		"openssl req -x509 $key -subj /CN=authority -keyout other.key -out other.pem\n"
		"openssl req $key -subj /CN=localhost -keyout broker.key -out broker.csr\n"
		"echo subjectAltName=DNS:localhost >broker.ext\n"
		"openssl x509 -req -in broker.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile broker.ext"
		" -out broker.crt\n"
		"cat broker.key broker.crt ca.pem >broker.pem\n", vault);
}

/* Who comes without a password, through the listener of the fixtures, may do everything. */
static char *write_properties(const char *vault)
{
	return kt_write_file(vault, "more.properties",
		"listeners=PLAINTEXT://127.0.0.1:@port@,CONTROLLER://127.0.0.1:@controller@,"
		"SASL_PLAINTEXT://127.0.0.1:@sasl@,SASL_SSL://127.0.0.1:@tls@\n"
		"advertised.listeners=PLAINTEXT://127.0.0.1:@port@,"
		"SASL_PLAINTEXT://127.0.0.1:@sasl@,SASL_SSL://localhost:@tls@\n"
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,"
		"SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL\n"
		"authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n"
		"super.users=User:ANONYMOUS\n"
		"ssl.keystore.type=PEM\n"
		"ssl.keystore.location=%s/broker.pem\n"
		"sasl.enabled.mechanisms=PLAIN\n"
		"listener.name.sasl_plaintext.plain.sasl.jaas.config=" LOGINS "\n"
		"listener.name.sasl_ssl.plain.sasl.jaas.config=" LOGINS "\n",
		vault);
}

static char *listener(const char *vault, const char *host, const char *name)
{
	char *path = kt_format("%s/kafka/node1/%s", vault, name), *port = kt_read_file(path);
	char *server = kt_format("%s:%d", host, atoi(port));

	free(path);
	free(port);
	return server;
}

static void start_broker(secured *s)
{
	char *more = write_properties(s->vault), *dir = kt_path(s->vault, "kafka");

	make_keys(s->vault);
	s->servers = kt_server_start("kafka.sh", dir, more);
	s->sasl = listener(s->vault, "127.0.0.1", "sasl");
	s->tls = listener(s->vault, "localhost", "tls");
	free(more);
	free(dir);
}

/* reader may describe and read the topic, looker only describe it, stranger nothing; none has any right on a group. */
static void secured_open(secured *s)
{
	*s = (secured) {.vault = kt_tmpdir(), .dir = kt_tmpdir(), .topic = kt_own_name("secured")};
	start_broker(s);
	free(kt_write_file(s->vault, "secret", "%s\n", SECRET));
	s->admin = kt_admin_open(s->servers);
	kt_topic_create(s->admin, s->topic, 2, NULL);
	kt_topic_allow(s->admin, s->topic, "reader", true);
	kt_topic_allow(s->admin, s->topic, "looker", false);
	kt_store_open(&s->store, KT_SQLITE, s->dir);
}

static void secured_close(secured *s)
{
	char *kafka = kt_path(s->vault, "kafka");

	kt_store_close(&s->store);
	kt_admin_close(s->admin);
	kt_server_do("kafka.sh", "remove", kafka, NULL);
	kt_tmpdir_remove(s->dir);
	kt_tmpdir_remove(s->vault);
	free(kafka);
	free(s->servers);
	free(s->topic);
	free(s->sasl);
	free(s->tls);
}

static void fill(secured *s)
{
	kt_producer *producer = kt_producer_open(s->servers, NULL);

	kt_produce_many(producer, s->topic, KT_ANY_PARTITION, RECORDS, kt_fill_numbers, NULL);
	kt_producer_flush(producer);
	kt_producer_close(producer);
}

/* The job file of a user; ca: the file in the vault that says whom to trust, or NULL to come without TLS. */
static char *write_job(secured *s, const char *user, const char *password, const char *ca)
{
	char *trust = ca ? kt_format(", \"ssl.ca.location\": \"%s/%s\"", s->vault, ca) : kt_format("%s", "");
	char *path = kt_write_file(s->dir, "job.json",
		"{\"job\": \"j\", \"topics\": [\"%s\"], \"start\": \"earliest\", \"batch\": {\"interval_ms\": 50},\n"
		" \"kafka\": {\"bootstrap.servers\": \"%s\", \"broker.address.family\": \"v4\",\n"
		"   \"security.protocol\": \"%s\", \"sasl.mechanism\": \"PLAIN\",\n"
		"   \"sasl.username\": \"%s\", \"sasl.password\": \"%s\"%s},\n"
		" \"sink\": {%s, \"table\": \"t\"}}\n",
		s->topic, ca ? s->tls : s->sasl, ca ? "SASL_SSL" : "SASL_PLAINTEXT", user, password, trust, s->store.sink);

	free(trust);
	return path;
}

/* kdirect VERB JOB ARGUMENT, with $SECRET in the environment, must end so and say so (NULL: anything). */
static void must_end(secured *s, const char *verb, const char *path, const char *argument, int code, const char *says)
{
	static const char *const env[] = {"SECRET=" SECRET, "WRONG=" WRONG_SECRET, NULL};
	kt_process *process = kt_kdirect(s->dir, env, verb, path, argument, NULL);
	int ended = kt_process_wait(process, TIMEOUT_MS);
	char *said = kt_format("%s%s", kt_process_stdout(process), kt_process_stderr(process));

	kt_check(ended == code, "%s ended with %d, not %d:\n%s", verb, ended, code, said);
	kt_check(!says || strstr(said, says), "%s did not say \"%s\":\n%s", verb, says, said);
	free(said);
	kt_process_free(process);
}

/* Nothing that was written, output and database alike, holds a secret. */
static void must_hold_no_secret(secured *s)
{
	must_run(s->vault, "! grep -r -a -l -F -e " SECRET " -e " WRONG_SECRET " \"$1\" >&2", s->dir);
}

static void judge(secured *s)
{
	kt_oracle kafka = kt_oracle_read(s->servers, s->topic, true), table = kt_store_rows(&s->store, "t", s->topic);
	kt_verdict v = kt_judge(&kafka, &table);

	cr_assert(!v.missing && !v.doubled && !v.altered && !v.foreign);
	cr_assert_eq(kt_judge_tiling(&s->store, "j"), 0);
	kt_oracle_done(&kafka);
	kt_oracle_done(&table);
}

Test(security, a_job_needs_describe_and_read_on_its_topic_and_no_right_on_a_group, .timeout = 180)
{
	static const char *const cas[] = {NULL, "ca.pem"};
	secured s;

	secured_open(&s);
	for (int i = 0; i < 2; i++) {
		char *password = i ? kt_format("${env:SECRET}") : kt_format("${file:%s/secret}", s.vault);
		char *path = write_job(&s, "reader", password, cas[i]);

		fill(&s);
		must_end(&s, "check", path, NULL, 0, NULL);
		must_end(&s, "run", path, "--until-latest", 0, NULL);
		cr_assert_eq(kt_store_int(&s.store, "select count(*) from t"), RECORDS * (i + 1));
		judge(&s);
		must_end(&s, "offsets", path, NULL, 0, NULL);
		must_end(&s, "audit", path, "--deep", 0, NULL);
		must_hold_no_secret(&s);
		free(password);
		free(path);
	}
	secured_close(&s);
}

Test(security, a_wrong_password_ends_a_job_at_once, .timeout = 180)
{
	static const char *const cas[] = {NULL, "ca.pem"};
	secured s;

	secured_open(&s);
	fill(&s);
	for (int i = 0; i < 2; i++) {
		char *path = write_job(&s, "reader", "${env:WRONG}", cas[i]);

		must_end(&s, "run", path, NULL, 1, "uthentication");
		must_end(&s, "check", path, NULL, 1, "uthentication");
		must_end(&s, "plan", path, NULL, 1, "uthentication");
		must_hold_no_secret(&s);
		free(path);
	}
	secured_close(&s);
}

/* kdirect check JOB, of a cluster that cannot be reached so. */
static void must_give_up(kt_process *check, const char *says)
{
	cr_assert_eq(kt_process_wait(check, TIMEOUT_MS), 4, "%s", kt_process_stdout(check));
	cr_assert(strstr(kt_process_stdout(check), says), "%s", kt_process_stdout(check));
	kt_process_free(check);
}

Test(security, why_a_connection_fails_is_told, .timeout = 180)
{
	static const char *const env[] = {"SECRET=" SECRET, NULL};
	secured s;

	secured_open(&s);
	char *untrusted = write_job(&s, "reader", "${env:SECRET}", "other.pem");
	kt_process *checks[] = {
		kt_kdirect(s.dir, env, "check", untrusted, NULL),
		kt_kdirect(s.dir, env, "check", untrusted, "-X", "security.protocol=SASL_PLAINTEXT", NULL),
	};

	must_give_up(checks[0], "certificate verify failed");
	must_give_up(checks[1], "connecting to a SSL listener?");
	must_hold_no_secret(&s);
	free(untrusted);
	secured_close(&s);
}

Test(security, a_user_without_read_is_told_which_topic, .timeout = 180)
{
	static const char *const users[] = {"stranger", "looker"};
	secured s;

	secured_open(&s);
	fill(&s);
	for (int i = 0; i < 2; i++) {
		char *path = write_job(&s, users[i], "${env:SECRET}", NULL);

		must_end(&s, "run", path, "--until-latest", 1, s.topic);
		must_end(&s, "run", path, "--until-latest", 1, "uthorization");
		must_end(&s, "check", path, NULL, 1, s.topic);
		must_hold_no_secret(&s);
		free(path);
	}
	secured_close(&s);
}

Test(security, offsets_of_a_topic_need_no_right_on_a_group, .timeout = 120)
{
	secured s;

	secured_open(&s);
	fill(&s);
	char *properties = kt_write_file(s.vault, "client.properties",
		"security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.username=looker\nsasl.password=%s\n", SECRET);
	kt_process *plain = kt_kdirect(s.dir, NULL, "offsets", "-b", s.sasl, "-F", properties, "--json", NULL);
	kt_process *of_group = kt_kdirect(s.dir, NULL, "offsets", "-b", s.sasl, "-F", properties, "-t", s.topic, "-g", "g",
		NULL);

	cr_assert_eq(kt_process_wait(plain, TIMEOUT_MS), 0, "%s", kt_process_stderr(plain));
	cr_assert(strstr(kt_process_stdout(plain), s.topic), "%s", kt_process_stdout(plain));
	cr_assert_eq(kt_process_wait(of_group, TIMEOUT_MS), 1, "%s", kt_process_stderr(of_group));
	cr_assert(strstr(kt_process_stderr(of_group), "\"g\""), "%s", kt_process_stderr(of_group));
	kt_process_free(plain);
	kt_process_free(of_group);
	must_hold_no_secret(&s);
	free(properties);
	secured_close(&s);
}

Test(security, no_log_level_shows_a_secret, .timeout = 180)
{
	static const char *const passwords[] = {"${env:WRONG}", "${env:SECRET}"};
	secured s;

	secured_open(&s);
	fill(&s);
	for (int i = 0; i < 2; i++) {
		static const char *const env[] = {"SECRET=" SECRET, "WRONG=" WRONG_SECRET, NULL};
		char *path = write_job(&s, "reader", passwords[i], "ca.pem");
		kt_process *job = kt_kdirect(s.dir, env, "run", path, "--until-latest", "--log-level", "debug", "-X", "debug=all",
			NULL);

		cr_assert_eq(kt_process_wait(job, TIMEOUT_MS), i ? 0 : 1, "%s", kt_process_stderr(job));
		cr_assert(strstr(kt_process_stderr(job), "sasl"));
		kt_process_free(job);
		must_hold_no_secret(&s);
		free(path);
	}
	secured_close(&s);
}
