/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_try: lines of text as records through a job's decoder and transform, and the rows as JSON lines: what the author
 * of a decoder or a transform tests with. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kdirect/job.h>

#include "job_file.h"
#include "program.h"
#include "tool_log.h"
#include "verbs.h"

struct trial {
	const struct args *args;
	struct job_file file;
	kd_try *trial;
	const char *name; /* of the input, in messages */
	FILE *input;
	int64_t line;
	int64_t records, rows, dropped, refused;
};

/* ---- a row ---- */

/* Whether the bytes are one JSON value, as they stand. */
static bool is_json(const void *bytes, size_t size)
{
	json_t *json = json_loadb(bytes, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	bool ok = json && !memchr(bytes, '\n', size);

	json_decref(json);
	return ok;
}

/* Bytes that are no text, as PostgreSQL writes them. */
static void print_hex(const unsigned char *bytes, size_t size)
{
	fputs("\"\\\\x", stdout);
	for (size_t i = 0; i < size; i++)
		printf("%02x", bytes[i]);
	putchar('"');
}

static void print_bytes(const void *bytes, size_t size, bool may_be_json)
{
	json_t *text;

	if (!bytes) {
		fputs("null", stdout);
	} else if (may_be_json && is_json(bytes, size)) {
		fwrite(bytes, 1, size, stdout);
	} else if ((text = json_stringn(bytes, size))) {
		json_dumpf(text, stdout, JSON_ENCODE_ANY);
		json_decref(text);
	} else {
		print_hex(bytes, size);
	}
}

/* The value alone, unless there is more to tell. */
static kd_code print_row(void *opaque, const kd_record *record, kd_error *err)
{
	const struct trial *trial = opaque;
	bool has_table = record->table && record->table[0];

	(void) err;
	if (!has_table && !trial->args->key_separator) {
		print_bytes(record->value, record->value_size, true);
		putchar('\n');
		return KD_OK;
	}
	putchar('{');
	if (has_table) {
		fputs("\"table\": ", stdout);
		print_bytes(record->table, strlen(record->table), false);
		fputs(", ", stdout);
	}
	if (trial->args->key_separator) {
		fputs("\"key\": ", stdout);
		print_bytes(record->key, record->key_size, false);
		fputs(", ", stdout);
	}
	fputs("\"value\": ", stdout);
	print_bytes(record->value, record->value_size, true);
	puts("}");
	return KD_OK;
}

/* ---- a record ---- */

static void split_key(const struct trial *trial, char *line, size_t size, kd_record *ret)
{
	const char *separator = trial->args->key_separator;
	char *at = separator ? memmem(line, size, separator, strlen(separator)) : NULL;

	ret->value = line;
	ret->value_size = size;
	if (!at)
		return;
	ret->key = line;
	ret->key_size = (size_t) (at - line);
	ret->value = at + strlen(separator);
	ret->value_size = size - ret->key_size - strlen(separator);
}

static kd_code try_line(struct trial *trial, char *line, size_t size, kd_error *err)
{
	kd_record record = {.offset = trial->line - 1, .timestamp_ms = -1};
	uint32_t rows = 0;

	split_key(trial, line, size, &record);
	kd_code code = kd_try_record(trial->trial, &record, &rows, err);
	trial->records++;
	if (code == KD_OK) {
		trial->rows += rows;
		trial->dropped += rows == 0;
	}
	return code;
}

/* A record that is refused is told, and the next one is tried; whatever else fails is the end. */
static kd_code try_lines(struct trial *trial, kd_error *err)
{
	char *line = NULL;
	size_t capacity = 0;
	ssize_t size;
	kd_code code = KD_OK;

	while (!code && (size = getline(&line, &capacity, trial->input)) >= 0) {
		trial->line++;
		size -= size > 0 && line[size - 1] == '\n';
		code = try_line(trial, line, (size_t) size, err);
		if (code != KD_ERECORD)
			continue;
		fprintf(stderr, "%s:%lld: %s\n", trial->name, (long long) trial->line, err->message);
		trial->refused++;
		kd_error_clear(err);
		code = KD_OK;
	}
	if (code)
		kd_error_prefix(err, "%s:%lld", trial->name, (long long) trial->line);
	else if (ferror(trial->input))
		code = kd_error_set(err, KD_EIO, KD_STOP, "could not read \"%s\": %s", trial->name, strerror(errno));
	free(line);
	return code;
}

/* ---- the verb ---- */

static kd_code open_input(struct trial *trial, kd_error *err)
{
	const char *path = trial->args->n_operands > 1 ? trial->args->operands[1] : "-";

	if (strcmp(path, "-") != 0) {
		trial->name = path;
		trial->input = fopen(path, "r");
		return trial->input ? KD_OK
			: kd_error_set(err, KD_ECONFIG, KD_STOP, "could not open \"%s\": %s", path, strerror(errno));
	}
	trial->name = "<stdin>";
	trial->input = stdin;
	return strcmp(trial->args->operands[0], "-") != 0 ? KD_OK
		: kd_error_set(err, KD_ECONFIG, KD_STOP, "the job and the records cannot both come from standard input");
}

static int try_job(struct trial *trial, const kd_logger *log)
{
	kd_job_options options = job_file_options(&trial->file, log);
	kd_error err = {0};
	kd_code code = open_input(trial, &err);

	if (!code)
		code = kd_try_open(trial->file.config, &options, print_row, trial, &trial->trial, &err);
	if (!code)
		code = try_lines(trial, &err);
	fflush(stdout);
	if (code)
		fprintf(stderr, "%s try: %s\n", program_name(), err.message);
	else if (!trial->args->quiet)
		fprintf(stderr, "%lld records: %lld rows, %lld dropped, %lld refused\n", (long long) trial->records,
			(long long) trial->rows, (long long) trial->dropped, (long long) trial->refused);
	kd_try_close(trial->trial);
	if (trial->input && trial->input != stdin)
		fclose(trial->input);
	return code ? kd_exit_code(code, &err) : trial->refused ? 1 : 0;
}

static int try_file(const struct args *args)
{
	struct trial trial = {.args = args};
	struct log_out *log = tool_log_open(args, KD_LOG_WARN);
	int exit_code = log ? job_file_or_exit(args, "try", args->operands[0], &trial.file) : 4;

	if (exit_code == 0)
		exit_code = try_job(&trial, log_out_logger(log));
	job_file_done(&trial.file);
	log_out_close(log);
	return exit_code;
}

static const struct arg_option own[] = {
	{ARG_TEXT, 0, "key-separator", "TEXT", NULL, NULL, 0, 0,
	 "what stands before the first TEXT of a line is the record's key, and rows are shown with theirs",
	 offsetof(struct args, key_separator)},
	{.type = ARG_END}};

static const struct arg_option *const options[] = {own, args_set, args_common, NULL};

const struct verb verb_try = {
	.name = "try",
	.group = "Before it runs",
	.summary = "what a job makes of records, without a broker or a sink",
	.usage = "JOB [FILE] [OPTION]...",
	.examples =
		"$0 try orders.json records.txt\n"
		"    the rows that come of the lines of a file\n"
		"echo '{\"id\": 1}' | $0 try orders.json\n"
		"    of one record\n"
		"$0 try orders.json records.txt | diff -u expected.txt -\n"
		"    a test\n",
	.text =
		"Each line of FILE, or of standard input, is the value of a record, which goes through the job's decoder and "
		"transform; each row that comes out is printed as a line of JSON: its document, or {\"table\": ..., \"value\": ...} "
		"where it is for one of sink.tables. A value that is no JSON is printed as a JSON string. A record that is refused "
		"is told on stderr with its line, and the next one is tried. Contacts nothing.",
	.options = options,
	.exits =
		"0  ok\n"
		"1  a record was refused\n"
		"2  usage or configuration\n"
		"4  a file could not be read\n",
	.min_operands = 1,
	.max_operands = 2,
	.run = cmd_try,
};

int cmd_try(int argc, char **argv)
{
	return args_run(&verb_try, argc, argv, try_file);
}
