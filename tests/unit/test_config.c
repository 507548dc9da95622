/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration: what is accepted, what each key becomes, and every finding with its place. */
#include <criterion/criterion.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kdirect/config.h"
#include "kdirect/types.h"

static const kd_option sink_options[] = {
	{.key = "sink.dsn", .type = KD_OPT_STRING, .required = true, .secret = true, .help = "Where."},
	{.key = "sink.table", .type = KD_OPT_STRING, .help = "What."},
	{.key = "sink.port", .type = KD_OPT_INT, .min = 1, .max = 65535, .secret = true, .default_value = "5432",
	 .help = "Which."},
};

#define GOOD \
	"{\"job\": \"orders\", \"kafka\": {\"bootstrap.servers\": \"localhost:9092\"}, \"topics\": [\"orders\"]," \
	" \"sink\": {\"type\": \"postgres\", \"dsn\": \"host=db\"}"

static void collect(void *opaque, const kd_diagnostic *diagnostic)
{
	cr_assert(kd_buf_printf(opaque, "%s:%d:%d: %s\n", diagnostic->file, diagnostic->line, diagnostic->column,
		diagnostic->message));
}

static kd_config *new_config(void)
{
	kd_config *config = kd_config_new(&(kd_options){sink_options, sizeof sink_options / sizeof sink_options[0]}, 1);

	cr_assert_not_null(config);
	return config;
}

/* Parses and checks; the findings are what comes back, "" for none. */
static kd_config *parse(const char *text, kd_buf *findings)
{
	kd_config *config = new_config();
	kd_error err = {0};

	cr_assert(kd_buf_append(findings, "", 0));
	findings->data[0] = 0;
	kd_code code = kd_config_parse(config, text, strlen(text), "job.json", collect, findings, &err);
	if (!code)
		code = kd_config_check(config, collect, findings, &err);
	cr_assert_eq(code == KD_OK, findings->size == 0, "%s%s", err.message, findings->data);
	cr_assert(code == KD_OK || code == KD_ECONFIG, "%s", err.message);
	return config;
}

static void expect_findings(const char *text, const char *expected)
{
	kd_buf findings = {0};
	kd_config *config = parse(text, &findings);

	cr_expect_str_eq(findings.data, expected, "\n--- of\n%s\n--- came\n%s--- not\n%s", text, findings.data, expected);
	kd_buf_done(&findings);
	kd_config_free(config);
}

/* A good job with one more member. */
static kd_config *good_with(const char *more)
{
	kd_buf findings = {0}, text = {0};

	cr_assert(kd_buf_printf(&text, GOOD "%s%s}", *more ? ", " : "", more));
	kd_config *config = parse(text.data, &findings);
	cr_assert_eq(findings.size, 0, "%s: %s", text.data, findings.data);
	kd_buf_done(&findings);
	kd_buf_done(&text);
	return config;
}

Test(config, applies_the_defaults_of_the_table)
{
	kd_config *config = good_with("");

	cr_expect_str_eq(kd_config_string(config, "job"), "orders");
	cr_expect_eq(kd_config_int(config, "workers"), 1);
	cr_expect_eq(kd_config_int(config, "batch.interval_ms"), 1000);
	cr_expect_eq(kd_config_int(config, "batch.max_records_per_batch"), 500000);
	cr_expect_eq(kd_config_int(config, "batch.max_rate_per_partition"), KD_UNLIMITED);
	cr_expect_not(kd_config_bool(config, "batch.backpressure"));
	cr_expect_eq(kd_config_int(config, "memory_mb"), 24);
	cr_expect_str_eq(kd_config_string(config, "on_data_loss"), "stop");
	cr_expect_eq(kd_config_int(config, "retry_timeout_ms"), 600000);
	cr_expect_eq(kd_config_int(config, "ledger_keep_days"), 30);
	cr_expect_null(kd_config_string(config, "mirror_group"));
	cr_expect_eq(kd_config_start(config), KD_START_LATEST);
	cr_expect_str_eq(kd_config_peek(config, "sink.type"), "postgres");
	cr_expect_eq(kd_config_int(config, "sink.port"), 5432);
	cr_expect_null(kd_config_string(config, "sink.table"));
	cr_expect(kd_config_is_set(config, "sink.dsn"));
	cr_expect_not(kd_config_is_set(config, "workers"));
	kd_config_free(config);
}

Test(config, every_default_is_a_value_of_its_own_option)
{
	size_t n;
	const kd_option *options = kd_config_options(&n);

	for (size_t i = 0; i < n; i++) {
		cr_expect(options[i].help && strlen(options[i].help) > 10, "%s", options[i].key);
		cr_expect(options[i].type != KD_OPT_INT || options[i].min < options[i].max, "%s", options[i].key);
	}
	kd_config *config = new_config();
	kd_error err = {0};
	cr_assert_eq(kd_config_check(config, NULL, NULL, &err), KD_ECONFIG, "%s", err.message);
	kd_config_free(config);
}

Test(config, reads_every_kind_of_value)
{
	kd_config *config = good_with("\"workers\": 4, \"on_data_loss\": \"record\", \"mirror_group\": \"mirror\","
		"\"batch\": {\"interval_ms\": 250, \"backpressure\": true, \"max_records_per_batch\": \"unlimited\","
		"\"max_rate_per_partition\": 10, \"_why\": {\"anything\": [1]}}, \"_comment\": null");

	cr_expect_eq(kd_config_int(config, "workers"), 4);
	cr_expect_str_eq(kd_config_string(config, "on_data_loss"), "record");
	cr_expect_str_eq(kd_config_string(config, "mirror_group"), "mirror");
	cr_expect_eq(kd_config_int(config, "batch.interval_ms"), 250);
	cr_expect(kd_config_bool(config, "batch.backpressure"));
	cr_expect_eq(kd_config_int(config, "batch.max_records_per_batch"), KD_UNLIMITED);
	cr_expect_eq(kd_config_int(config, "batch.max_rate_per_partition"), 10);
	kd_config_free(config);
}

#define BAD_JOB \
	"{\n" \
	"  \"job\": \"or ders\",\n" \
	"  \"kafka\": {\n" \
	"    \"bootstrap.server\": \"localhost:9092\",\n" \
	"    \"enable.auto.commit\": true,\n" \
	"    \"fetch.wait.max.ms\": \"soon\",\n" \
	"    \"isolation.level\": \"none\",\n" \
	"    \"debug\": [\"all\"]\n" \
	"  },\n" \
	"  \"topics\": [\"orders\", \"^pay.*\", \"orders\", \"a b\", 7],\n" \
	"  \"start\": \"newest\",\n" \
	"  \"workers\": 0,\n" \
	"  \"workers\": 2,\n" \
	"  \"interval_ms\": 5,\n" \
	"  \"batch\": { \"intervall_ms\": 500, \"backpressure\": 1, \"max_records_per_batch\": \"all\" },\n" \
	"  \"on_data_loss\": \"ignore\",\n" \
	"  \"sink\": { \"type\": \"postgres\", \"tabel\": \"orders\", \"port\": \"5432secret\" },\n" \
	"  \"bacth\": {}, \"memory_mb\": {}, \"nothing like it\": 1\n" \
	"}\n"

#define BAD_JOB_FINDINGS \
	"job.json:2:10: \"job\" must be a name of 1 to 100 of the characters a-z A-Z 0-9 . _ -\n" \
	"job.json:4:5: \"kafka\": librdkafka %s has no property \"bootstrap.server\": did you mean " \
	"\"bootstrap.servers\"?\n" \
	"job.json:5:5: \"kafka.enable.auto.commit\" cannot be set so: a job's positions are kept in the sink's " \
	"ledger, not in Kafka\n" \
	"job.json:6:26: \"kafka.fetch.wait.max.ms\" is refused by librdkafka: Invalid value for configuration " \
	"property \"fetch.wait.max.ms\"\n" \
	"job.json:7:5: \"kafka.isolation.level\" cannot be set so: it is \"read_committed\" or \"read_uncommitted\"\n" \
	"job.json:8:14: \"kafka.debug\" must be a string, a number, true or false\n" \
	"job.json:10:24: \"topics\": \"^pay.*\": topic patterns are not supported yet: list the topics by name\n" \
	"job.json:10:34: \"topics\": \"orders\": the topic is listed twice\n" \
	"job.json:10:44: \"topics\": \"a b\": a topic's name has only the characters a-z A-Z 0-9 . _ -\n" \
	"job.json:10:51: \"topics\" must hold strings only\n" \
	"job.json:11:12: \"start\" must be \"latest\", \"earliest\", {\"timestamp\": \"2026-01-01T00:00:00Z\"} or " \
	"{\"TOPIC\": {\"PARTITION\": OFFSET}}\n" \
	"job.json:12:14: \"workers\" must be a whole number from 1 to 256, not 0\n" \
	"job.json:13:3: \"workers\" is given twice\n" \
	"job.json:14:3: unknown key \"interval_ms\": did you mean \"batch.interval_ms\"?\n" \
	"job.json:15:14: unknown key \"batch.intervall_ms\": did you mean \"batch.interval_ms\"?\n" \
	"job.json:15:51: \"batch.backpressure\" must be true or false, not 1\n" \
	"job.json:15:79: \"batch.max_records_per_batch\" must be a whole number from 1 to 1000000000000, or " \
	"\"unlimited\", not \"all\"\n" \
	"job.json:16:19: \"on_data_loss\" must be \"stop\" or \"record\", not \"ignore\"\n" \
	"job.json:17:33: unknown key \"sink.tabel\": did you mean \"sink.table\"?\n" \
	"job.json:17:60: \"sink.port\" must be a whole number from 1 to 65535\n" \
	"job.json:18:3: unknown key \"bacth\": did you mean \"batch\"?\n" \
	"job.json:18:29: \"memory_mb\" must be a whole number from 1 to 1048576, not an object\n" \
	"job.json:18:33: unknown key \"nothing like it\"\n" \
	"job.json:0:0: missing key \"sink.dsn\"\n" \
	"job.json:0:0: missing key \"kafka.bootstrap.servers\"\n"

Test(config, reports_every_finding_at_once_in_the_order_of_the_file)
{
	kd_buf expected = {0};

	cr_assert(kd_buf_printf(&expected, BAD_JOB_FINDINGS, rd_kafka_version_str()));
	expect_findings(BAD_JOB, expected.data);
	kd_buf_done(&expected);
}

Test(config, suggests_what_was_meant)
{
	static const char *const rows[][2] = {
		{"interval", "batch.interval_ms"}, {"memory", "memory_mb"}, {"retry_timeout", "retry_timeout_ms"},
		{"worker", "workers"}, {"topic", "topics"}, {"starts", "start"}, {"dsn", "sink.dsn"},
		{"tranform", "transform"}, {"decod", "decode"},
		{"on_dataloss", "on_data_loss"}, {"max_rate_per_partition", "batch.max_rate_per_partition"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		kd_buf text = {0}, finding = {0};

		cr_assert(kd_buf_printf(&text, GOOD ",\n\"%s\": 1}", rows[i][0]));
		cr_assert(kd_buf_printf(&finding, "job.json:2:1: unknown key \"%s\": did you mean \"%s\"?\n", rows[i][0],
			rows[i][1]));
		expect_findings(text.data, finding.data);
		kd_buf_done(&text);
		kd_buf_done(&finding);
	}
}

Test(config, says_what_is_missing_from_an_empty_job)
{
	expect_findings("{}",
		"job.json:0:0: missing key \"job\"\n"
		"job.json:0:0: missing key \"kafka\"\n"
		"job.json:0:0: missing key \"topics\"\n"
		"job.json:0:0: missing key \"sink.type\"\n"
		"job.json:0:0: missing key \"sink.dsn\"\n");
}

Test(config, places_syntax_errors_and_does_not_quote_what_may_be_a_secret)
{
	static const struct {
		const char *text, *finding;
	} rows[] = {
		{"", "job.json:1:1: '[' or '{' expected near end of file\n"},
		{"{\n  \"job\": \"a\"\n  \"topics\": []}", "job.json:3:3: '}' expected\n"},
		{"{\"dsn\": \"hunter2\\x\"}", "job.json:1:9: invalid escape\n"},
		{"[]", "job.json:1:1: a job is an object: { ... }\n"},
		{"{\"a\": 1} x", "job.json:1:10: end of file expected\n"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		expect_findings(rows[i].text, rows[i].finding);
}

Test(config, takes_a_group_of_options_only_as_an_object_and_no_key_twice)
{
	expect_findings(GOOD ",\n\"batch\": 5}", "job.json:2:10: \"batch\" must be an object\n");
	expect_findings(GOOD ",\n\"batch\": {},\n\"batch\": {\"interval_ms\": 7}}", "job.json:3:1: \"batch\" is given twice\n");
	expect_findings(GOOD ",\n\"batch\": {\"interval_ms\": 7},\n\"batch.interval_ms\": 8}",
		"job.json:3:1: \"batch.interval_ms\" is given twice\n");
}

Test(config, passes_kafka_properties_on_as_text)
{
	kd_buf text = {0}, findings = {0};
	const char *name, *value;

	cr_assert(kd_buf_printf(&text, "{\"job\": \"j\", \"topics\": [\"t\"], \"sink\": {\"type\": \"x\", \"dsn\": \"\"},"
		"\"kafka\": {\"bootstrap.servers\": \"a:1,b:2\", \"fetch.wait.max.ms\": 50, \"socket.nagle.disable\": true,"
		"\"group.id\": \"mine\", \"isolation.level\": \"read_uncommitted\", \"check.crcs\": true, \"_x\": 1}}"));
	kd_config *config = parse(text.data, &findings);
	cr_assert_eq(findings.size, 0, "%s", findings.data);
	cr_assert_eq(kd_config_kafka_count(config), 6);
	kd_config_kafka(config, 1, &name, &value);
	cr_expect_str_eq(name, "fetch.wait.max.ms");
	cr_expect_str_eq(value, "50");
	kd_config_kafka(config, 2, &name, &value);
	cr_expect_str_eq(value, "true");
	kd_buf_done(&text);
	kd_buf_done(&findings);
	kd_config_free(config);
}

Test(config, refuses_each_property_that_would_break_the_promise)
{
	static const char *const properties[] = {
		"\"enable.auto.commit\": true", "\"auto.commit.enable\": \"true\"", "\"enable.auto.offset.store\": true",
		"\"auto.commit.interval.ms\": 100", "\"offset.store.method\": \"broker\"",
		"\"auto.offset.reset\": \"earliest\"", "\"enable.partition.eof\": false", "\"isolation.level\": \"\"",
		"\"partition.assignment.strategy\": \"range\"", "\"group.instance.id\": \"a\"", "\"check.crcs\": false",
		"\"allow.auto.create.topics\": true", "\"api.version.request\": false",
		"\"plugin.library.paths\": \"/nowhere.so\"", "\"transactional.id\": \"t\"", "\"group.id\": \"\"",
	};

	for (size_t i = 0; i < sizeof properties / sizeof properties[0]; i++) {
		kd_buf text = {0}, findings = {0};

		cr_assert(kd_buf_printf(&text, "{\"job\": \"j\", \"topics\": [\"t\"], \"sink\": {\"type\": \"x\", \"dsn\": \"\"},"
			"\"kafka\": {\"bootstrap.servers\": \"a\", %s}}", properties[i]));
		kd_config_free(parse(text.data, &findings));
		cr_expect(strstr(findings.data, "cannot be set"), "%s: %s", properties[i], findings.data);
		cr_expect_null(strstr(findings.data, "nowhere"));
		kd_buf_done(&text);
		kd_buf_done(&findings);
	}
}

Test(config, reads_every_shape_of_start)
{
	kd_config *config = good_with("\"start\": \"earliest\"");
	cr_expect_eq(kd_config_start(config), KD_START_EARLIEST);
	kd_config_free(config);

	config = good_with("\"start\": {\"timestamp\": \"2026-01-01T00:00:00Z\"}");
	cr_expect_eq(kd_config_start(config), KD_START_TIMESTAMP);
	cr_expect_eq(kd_config_start_timestamp_ms(config), INT64_C(1767225600000));
	kd_config_free(config);

	config = good_with("\"start\": {\"orders\": {\"10\": 7, \"0\": 42}, \"_why\": 1}");
	cr_expect_eq(kd_config_start(config), KD_START_OFFSETS);
	cr_expect_eq(kd_config_start_offset(config, "orders", 0), 42);
	cr_expect_eq(kd_config_start_offset(config, "orders", 10), 7);
	cr_expect_eq(kd_config_start_offset(config, "orders", 1), -1);
	cr_expect_eq(kd_config_start_offset(config, "others", 0), -1);
	kd_config_free(config);
}

Test(config, places_each_mistake_of_a_start)
{
	static const struct {
		const char *start, *finding;
	} rows[] = {
		{"{\"timestamp\": \"yesterday\"}", "job.json:2:24: \"start\": the timestamp must be a time such as "
			"\"2026-01-01T00:00:00Z\", or relative to now such as \"-1h\"\n"},
		{"{\"order\": {\"0\": 1}}", "job.json:2:11: \"start\": \"order\" is none of the topics of this job\n"},
		{"{\"orders\": 5}", "job.json:2:21: \"start\": the offsets of \"orders\" must be an object, such as "
			"{\"0\": 42, \"1\": 7}\n"},
		{"{\"orders\": {\"00\": 5}}", "job.json:2:22: \"start\": \"00\" is not a partition's number\n"},
		{"{\"orders\": {\"0\": -5}}", "job.json:2:27: \"start\": the offset of orders/0 must be a whole number "
			"from 0\n"},
		{"{\"orders\": {\"0\": 5, \"0\": 6}}", "job.json:2:10: \"start\": orders/0 is named twice\n"},
		{"{\"orders\": {\"0\": 5}, \"orders\": {\"1\": 6}}", "job.json:2:10: \"start\" names a topic twice\n"},
		{"{}", "job.json:2:10: \"start\" names no offsets for the topic \"orders\"\n"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		kd_buf text = {0};

		cr_assert(kd_buf_printf(&text, GOOD ",\n\"start\": %s}", rows[i].start));
		expect_findings(text.data, rows[i].finding);
		kd_buf_done(&text);
	}
}

Test(config, overrides_win_over_the_file_and_are_judged_like_it)
{
	static const char *const sets[][2] = {
		{"batch.interval_ms", "500"}, {"batch.backpressure", "true"}, {"topics", "a,b"}, {"start", "earliest"},
		{"kafka.fetch.wait.max.ms", "50"}, {"sink.table", "123"}, {"sink", "{\"dsn\": \"x\"}"}, {"workers", "3"},
		{"workers", "2"},
	};
	kd_config *config = new_config();
	kd_error err = {0};
	const char *name, *value;

	cr_assert_eq(kd_config_parse(config, GOOD "}", strlen(GOOD "}"), "f", NULL, NULL, &err), KD_OK);
	for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++)
		cr_assert_eq(kd_config_set(config, sets[i][0], sets[i][1], &err), KD_OK);
	cr_assert_eq(kd_config_check(config, NULL, NULL, &err), KD_OK, "%s", err.message);
	cr_expect_eq(kd_config_int(config, "batch.interval_ms"), 500);
	cr_expect(kd_config_bool(config, "batch.backpressure"));
	cr_expect_eq(kd_config_topic_count(config), 2);
	cr_expect_str_eq(kd_config_topic(config, 1), "b");
	cr_expect_eq(kd_config_start(config), KD_START_EARLIEST);
	cr_expect_str_eq(kd_config_string(config, "sink.table"), "123");
	cr_expect_str_eq(kd_config_string(config, "sink.dsn"), "x");
	cr_expect_eq(kd_config_int(config, "workers"), 2);
	cr_assert_eq(kd_config_kafka_count(config), 2);
	kd_config_kafka(config, 1, &name, &value);
	cr_expect_str_eq(name, "fetch.wait.max.ms");
	cr_expect_str_eq(value, "50");

	kd_buf findings = {0};
	cr_assert_eq(kd_config_set(config, "worker", "9", &err), KD_OK);
	cr_assert_eq(kd_config_set(config, "topics", "[\"a\", \"a\"]", &err), KD_OK);
	cr_expect_eq(kd_config_check(config, collect, &findings, &err), KD_ECONFIG);
	cr_expect_str_eq(findings.data, "--set:0:0: unknown key \"worker\": did you mean \"workers\"?\n"
		"--set:0:0: \"topics\": \"a\": the topic is listed twice\n");
	cr_expect_str_eq(err.message, "could not use \"f\": 2 errors in the configuration");
	kd_buf_done(&findings);
	kd_config_free(config);
}

Test(config, knows_the_sink_before_the_check)
{
	kd_config *config = kd_config_new(NULL, 0);
	kd_error err = {0};

	cr_assert_eq(kd_config_parse(config, GOOD "}", strlen(GOOD "}"), "f", NULL, NULL, &err), KD_OK);
	cr_expect_str_eq(kd_config_peek(config, "sink.type"), "postgres");
	cr_assert_eq(kd_config_set(config, "sink.type", "null", &err), KD_OK);
	cr_expect_str_eq(kd_config_peek(config, "sink.type"), "null");
	cr_expect_eq(kd_config_check(config, NULL, NULL, &err), KD_OK, "a sink's keys without its table are not judged");
	kd_config_free(config);
}

Test(config, expands_references_to_the_environment_and_to_files)
{
	char path[] = "/tmp/kdirect-config-XXXXXX", more[256];
	int fd = mkstemp(path);

	cr_assert(fd >= 0 && write(fd, "from a file\n", 12) == 12);
	close(fd);
	setenv("KD_TEST_WORKERS", "7", 1);
	setenv("KD_TEST_NAME", "from the ${env:KD_TEST_WORKERS}", 1);
	snprintf(more, sizeof more, "\"workers\": \"${env:KD_TEST_WORKERS}\", \"mirror_group\": "
		"\"<${env:KD_TEST_NAME}|$${x}|${file:%s}>\"", path);
	kd_config *config = good_with(more);
	cr_expect_eq(kd_config_int(config, "workers"), 7);
	cr_expect_str_eq(kd_config_string(config, "mirror_group"), "<from the ${env:KD_TEST_WORKERS}|${x}|from a file>");
	kd_config_free(config);
	unlink(path);
}

Test(config, names_references_that_lead_nowhere_and_shows_no_value_that_one_brought)
{
	unsetenv("KD_TEST_NONE");
	setenv("KD_TEST_SECRET", "hunter2", 1);
	expect_findings(GOOD ",\n\"workers\": \"${env:KD_TEST_NONE}\",\n\"mirror_group\": \"${file:/nowhere/at all}\",\n"
		"\"memory_mb\": \"${env:KD_TEST_SECRET}\",\n\"on_data_loss\": \"${env:KD_TEST_SECRET\",\n"
		"\"retry_timeout_ms\": \"${hunter2}\",\n\"kafka.security.protocol\": \"${env:KD_TEST_SECRET}\"}",
		"job.json:2:12: \"workers\": could not expand \"${env:KD_TEST_NONE}\": the environment has no such variable\n"
		"job.json:3:17: \"mirror_group\": could not expand \"${file:/nowhere/at all}\": No such file or directory\n"
		"job.json:4:14: \"memory_mb\" must be a whole number from 1 to 1048576\n"
		"job.json:5:17: \"on_data_loss\": could not expand a ${...}: its closing } is missing; $${ is a plain ${\n"
		"job.json:6:21: \"retry_timeout_ms\": could not expand a ${...}: write ${env:NAME}, ${file:PATH}, or $${ for a "
		"plain ${\n"
		"job.json:7:28: \"kafka.security.protocol\" is refused by librdkafka\n");
}

Test(config, loads_a_file_and_says_which_one_it_could_not_read)
{
	kd_config *config = new_config();
	kd_error err = {0};

	cr_expect_eq(kd_config_load(config, "/nowhere/job.json", NULL, NULL, &err), KD_ECONFIG);
	cr_expect_str_eq(err.message, "could not read \"/nowhere/job.json\": No such file or directory");
	kd_config_free(config);
}

Test(config, bounds_depth_size_and_number_of_keys)
{
	kd_config *config = new_config();
	kd_error err = {0};
	kd_buf text = {0};

	for (int i = 0; i < 100000; i++)
		cr_assert(kd_buf_append(&text, "{\"kafka\":", 9));
	cr_expect_eq(kd_config_parse(config, text.data, text.size, "deep", NULL, NULL, &err), KD_ECONFIG);
	kd_config_free(config);

	config = new_config();
	text.size = 0;
	cr_assert(kd_buf_append(&text, "{", 1));
	for (int i = 0; i < 5000; i++)
		cr_assert(kd_buf_printf(&text, "%s\"k%d\": 1", i ? "," : "", i));
	cr_assert(kd_buf_append(&text, "}", 1));
	kd_error_clear(&err);
	cr_expect_eq(kd_config_parse(config, text.data, text.size, "wide", NULL, NULL, &err), KD_ECONFIG);
	cr_expect_str_eq(err.message, "could not read \"wide\": more than 4096 keys");
	kd_config_free(config);

	config = new_config();
	kd_error_clear(&err);
	cr_expect_eq(kd_config_parse(config, text.data, (16 << 20) + 1, "big", NULL, NULL, &err), KD_ECONFIG);
	kd_config_free(config);
	kd_buf_done(&text);
}

Test(config, is_made_of_several_tables_and_suggests_keys_of_all_of_them)
{
	static const kd_option sink[] = {{.key = "sink.path", .type = KD_OPT_STRING, .required = true, .help = "Where."}};
	static const kd_option own[] = {{.key = "app.region", .type = KD_OPT_ENUM, .values = "eu|us", .help = "Which."}};
	static const kd_option transform[] = {{.key = "transform.least", .type = KD_OPT_INT, .min = 0, .max = 9,
		.default_value = "3", .help = "From."}};
	const kd_options tables[] = {{sink, 1}, {own, 1}, {NULL, 0}, {transform, 1}};
	static const char job[] = "{\"job\": \"j\", \"kafka\": {\"bootstrap.servers\": \"b\"}, \"topics\": [\"t\"],\n"
		"\"sink\": {\"type\": \"s\", \"pth\": \"p\"}, \"app\": {\"region\": \"mars\"},\n"
		"\"transform\": {\"type\": \"x\", \"leest\": 4}}";
	kd_config *config = kd_config_new(tables, sizeof tables / sizeof tables[0]);
	kd_buf findings = {0};
	kd_error err = {0};

	cr_assert_not_null(config);
	cr_assert_eq(kd_config_parse(config, job, strlen(job), "job.json", collect, &findings, &err), KD_OK);
	cr_expect_eq(kd_config_check(config, collect, &findings, &err), KD_ECONFIG);
	cr_expect_str_eq(findings.data,
		"job.json:2:23: unknown key \"sink.pth\": did you mean \"sink.path\"?\n"
		"job.json:2:54: \"app.region\" must be \"eu\" or \"us\", not \"mars\"\n"
		"job.json:3:28: unknown key \"transform.leest\": did you mean \"transform.least\"?\n"
		"job.json:0:0: missing key \"sink.path\"\n");
	kd_buf_done(&findings);
	kd_config_free(config);
}

Test(config, takes_any_number_where_a_table_names_no_bounds_and_no_default_beyond_them)
{
	static const kd_option free_number[] = {{.key = "sink.n", .type = KD_OPT_INT, .default_value = "5", .help = "Any."}};
	static const kd_option bad[] = {{.key = "sink.n", .type = KD_OPT_INT, .default_value = "5", .min = 1, .max = 3}};
	static const char job[] = "{\"job\": \"j\", \"kafka\": {\"bootstrap.servers\": \"b\"}, \"topics\": [\"t\"],"
		"\"sink\": {\"type\": \"s\", \"n\": -7000000000}}";
	kd_config *config = kd_config_new(&(kd_options){free_number, 1}, 1);
	kd_error err = {0};

	cr_assert_eq(kd_config_parse(config, job, strlen(job), "job.json", NULL, NULL, &err), KD_OK);
	cr_expect_eq(kd_config_check(config, NULL, NULL, &err), KD_OK, "%s", err.message);
	cr_expect_eq(kd_config_int(config, "sink.n"), -7000000000);
	kd_config_free(config);
	config = kd_config_new(&(kd_options){bad, 1}, 1);
	cr_assert_eq(kd_config_parse(config, job, strlen(job), "job.json", NULL, NULL, &err), KD_OK);
	cr_expect_eq(kd_config_check(config, NULL, NULL, &err), KD_ECONFIG);
	cr_expect_str_eq(err.message, "option \"sink.n\": its default must be a whole number from 1 to 3, not \"5\"");
	kd_config_free(config);
}

/* A job made by calls, as a program without a file makes it. */
static kd_config *made_by_calls(const kd_options *tables, size_t n, const char *const (*sets)[2])
{
	kd_config *config = kd_config_new(tables, n);
	kd_error err = {0};

	cr_assert_not_null(config);
	for (; (*sets)[0]; sets++)
		cr_assert_eq(kd_config_set(config, (*sets)[0], (*sets)[1], &err), KD_OK, "%s", err.message);
	return config;
}

Test(config, can_be_made_by_calls_alone)
{
	static const char *const sets[][2] = {{"job", "orders"}, {"kafka.bootstrap.servers", "localhost:9092"},
		{"kafka.linger.ms", "5"}, {"topics", "[\"orders\", \"refunds\"]"}, {"workers", "3"},
		{"start", " {\"orders\": {\"0\": 42}, \"refunds\": {\"0\": 7}}"}, {"batch", "{\"interval_ms\": 50}"},
		{"batch.backpressure", "true"}, {"batch.max_records_per_batch", "unlimited"}, {"sink.type", "postgres"},
		{"sink.dsn", "host=db"}, {"sink.tables", "a,b"}, {"decode.type", "json"}, {NULL, NULL}};
	kd_config *config = made_by_calls(&(kd_options){sink_options, 3}, 1, sets);
	kd_buf findings = {0};
	kd_error err = {0};

	cr_assert_eq(kd_config_check(config, collect, &findings, &err), KD_OK, "%s: %s", err.message, findings.data);
	cr_expect_str_eq(kd_config_string(config, "job"), "orders");
	cr_expect_eq(kd_config_topic_count(config), 2);
	cr_expect_eq(kd_config_strings_count(config, "topics"), 2);
	cr_expect_str_eq(kd_config_topic(config, 1), "refunds");
	cr_expect_eq(kd_config_int(config, "workers"), 3);
	cr_expect_eq(kd_config_start(config), KD_START_OFFSETS);
	cr_expect_eq(kd_config_start_offset(config, "refunds", 0), 7);
	cr_expect_eq(kd_config_int(config, "batch.interval_ms"), 50);
	cr_expect(kd_config_bool(config, "batch.backpressure"));
	cr_expect_eq(kd_config_int(config, "batch.max_records_per_batch"), KD_UNLIMITED);
	cr_expect_eq(kd_config_kafka_count(config), 2);
	cr_expect_eq(kd_config_strings_count(config, "sink.tables"), 2);
	cr_expect_str_eq(kd_config_strings_at(config, "sink.tables", 1), "b");
	cr_expect_null(kd_config_strings_at(config, "sink.tables", 2));
	cr_expect_str_eq(kd_config_string(config, "decode.type"), "json");
	kd_config_free(config);
}

Test(config, finds_every_mistake_of_a_job_made_by_calls)
{
	static const char *const sets[][2] = {{"job", "a b"}, {"kafka.bootstrap.servers", "b"}, {"topics", "[]"},
		{"wrokers", "3"}, {"sink.type", "s"}, {"sink.tables", "[\"a\", 5, \"a\", \"\"]"}, {"plugins", "{}"},
		{NULL, NULL}};
	kd_config *config = made_by_calls(&(kd_options){sink_options, 3}, 1, sets);
	kd_buf findings = {0};
	kd_error err = {0};

	cr_expect_eq(kd_config_check(config, collect, &findings, &err), KD_ECONFIG);
	cr_expect_str_eq(findings.data,
		"--set:0:0: \"job\" must be a name of 1 to 100 of the characters a-z A-Z 0-9 . _ -\n"
		"--set:0:0: unknown key \"wrokers\": did you mean \"workers\"?\n"
		"--set:0:0: \"sink.tables\" must hold strings only\n"
		"--set:0:0: \"sink.tables\": \"a\": it is listed twice\n"
		"--set:0:0: \"sink.tables\": \"\": a name is not empty\n"
		"--set:0:0: \"plugins\" must be an array of strings, such as [\"a\", \"b\"]\n"
		"--set:0:0: \"topics\" must name at least one topic\n"
		"--set:0:0: missing key \"sink.dsn\"\n");
	kd_buf_done(&findings);
	kd_config_free(config);
}

Test(config, reads_arrays_of_strings_of_any_table)
{
	static const kd_option own[] = {
		{.key = "app.columns", .type = KD_OPT_STRINGS, .default_value = "id,name", .help = "Which."},
		{.key = "app.none", .type = KD_OPT_STRINGS, .help = "None."},
	};
	static const char job[] = "{\"job\": \"j\", \"kafka\": {\"bootstrap.servers\": \"b\"}, \"topics\": [\"t\"],"
		"\"sink\": {\"type\": \"s\"}%s}";
	static const struct { const char *more, *expected; } rows[] = {
		{"", "id|name|"},
		{",\"app\": {\"columns\": []}", ""},
		{",\"app\": {\"columns\": [\"x\", \"x\", \"${env:KD_TEST_COLUMN}\"]}", "x|x|y z|"},
	};

	setenv("KD_TEST_COLUMN", "y z", 1);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		kd_config *config = kd_config_new(&(kd_options){own, 2}, 1);
		kd_buf text = {0}, list = {0}, findings = {0};
		kd_error err = {0};

		cr_assert(kd_buf_printf(&text, job, rows[i].more) && kd_buf_append(&list, "", 1));
		cr_assert_eq(kd_config_parse(config, text.data, text.size, "job.json", collect, &findings, &err), KD_OK);
		cr_assert_eq(kd_config_check(config, collect, &findings, &err), KD_OK, "%s", findings.data);
		list.size = 0;
		for (size_t k = 0; k < kd_config_strings_count(config, "app.columns"); k++)
			cr_assert(kd_buf_printf(&list, "%s|", kd_config_strings_at(config, "app.columns", k)));
		cr_expect_str_eq(list.data, rows[i].expected);
		cr_expect_eq(kd_config_strings_count(config, "app.none"), 0);
		kd_buf_done(&text);
		kd_buf_done(&list);
		kd_config_free(config);
	}
}

Test(config, takes_defaults_under_the_file_and_the_file_under_overrides)
{
	static const char defaults[] = "{\"workers\": 4, \"memory_mb\": 7, \"ledger_keep_days\": 9,"
		"\"kafka\": {\"bootstrap.servers\": \"elsewhere\", \"client.id\": \"d\"}, \"sink\": {\"dsn\": \"host=d\"}}";
	static const char late[] = "{\"workers\": 5, \"retry_timeout_ms\": 11, \"nonsense\": 1}";
	static const char job[] = GOOD ", \"memory_mb\": 8, \"ledger_keep_days\": 10}";
	kd_config *config = new_config();
	kd_buf findings = {0};
	kd_error err = {0};
	const char *name, *value;

	cr_assert_eq(kd_config_defaults(config, defaults, strlen(defaults), "defaults", collect, &findings, &err), KD_OK);
	cr_assert_eq(kd_config_parse(config, job, strlen(job), "job.json", collect, &findings, &err), KD_OK);
	cr_assert_eq(kd_config_set(config, "ledger_keep_days", "12", &err), KD_OK);
	cr_assert_eq(kd_config_defaults(config, late, strlen(late), "late", collect, &findings, &err), KD_OK);
	cr_expect_eq(kd_config_check(config, collect, &findings, &err), KD_ECONFIG);
	cr_expect_str_eq(findings.data, "late:0:0: unknown key \"nonsense\"\n");
	cr_expect_eq(kd_config_int(config, "workers"), 4);
	cr_expect_eq(kd_config_int(config, "memory_mb"), 8);
	cr_expect_eq(kd_config_int(config, "ledger_keep_days"), 12);
	cr_expect_eq(kd_config_int(config, "retry_timeout_ms"), 11);
	cr_expect_str_eq(kd_config_string(config, "sink.dsn"), "host=db");
	cr_expect_eq(kd_config_kafka_count(config), 2);
	for (size_t i = 0; i < 2; i++) {
		kd_config_kafka(config, i, &name, &value);
		cr_expect_str_eq(value, strcmp(name, "client.id") == 0 ? "d" : "localhost:9092");
	}
	kd_buf_done(&findings);
	kd_config_free(config);
}

Test(config, can_be_looked_at_before_the_check)
{
	static const char job[] = "{\"sink\": {\"type\": \"${env:X}\"}, \"plugins\": [\"a.so\", 5, \"b.so\"], \"n\": 1}";
	kd_config *config = kd_config_new(NULL, 0);
	kd_error err = {0};

	cr_assert_eq(kd_config_parse(config, job, strlen(job), "job.json", NULL, NULL, &err), KD_OK);
	cr_expect_str_eq(kd_config_peek(config, "sink.type"), "${env:X}");
	cr_expect_null(kd_config_peek(config, "n"));
	cr_expect_null(kd_config_peek(config, "absent"));
	cr_expect_str_eq(kd_config_peek_at(config, "plugins", 0), "a.so");
	cr_expect_null(kd_config_peek_at(config, "plugins", 1));
	cr_expect_str_eq(kd_config_peek_at(config, "plugins", 2), "b.so");
	cr_expect_null(kd_config_peek_at(config, "plugins", 3));
	cr_assert_eq(kd_config_set(config, "plugins", "c.so,d.so", &err), KD_OK);
	cr_expect_str_eq(kd_config_peek_at(config, "plugins", 1), "d.so");
	cr_expect_null(kd_config_peek_at(config, "plugins", 2));
	kd_config_free(config);
}

/* Cuts and bit flips of a good text: whatever comes, it ends in an answer. */
Test(config, answers_whatever_the_text_is)
{
	static const char good[] = GOOD ", \"start\": {\"orders\": {\"0\": 42}}, \"batch\": {\"interval_ms\": 5}}";
	unsigned seed = 4711;

	for (int i = 0; i < 3000; i++) {
		char text[sizeof good];
		size_t size = (size_t) rand_r(&seed) % sizeof good;
		kd_error err = {0};
		kd_config *config = new_config();

		memcpy(text, good, sizeof good);
		if (i % 2)
			size = sizeof good - 1;
		for (int flips = rand_r(&seed) % 3; flips >= 0; flips--)
			text[(size_t) rand_r(&seed) % (sizeof good - 1)] ^= (char) (1 << rand_r(&seed) % 7);
		if (kd_config_parse(config, text, size, "fuzz", NULL, NULL, &err) == KD_OK)
			(void) !kd_config_check(config, NULL, NULL, &err);
		kd_config_free(config);
	}
}
