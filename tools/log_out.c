/* SPDX-License-Identifier: Apache-2.0 */
/* log_out: a line is built whole in a buffer and written by one fwrite under the lock, so that lines of two threads
 * never mix.  Lines that repeat are folded (fold.h) where they tell of a fault, or of a batch at info. */
#include "log_out.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <kdirect/types.h>

#include "fold.h"
#include "times.h"

struct log_out {
	struct log_options options;
	kd_logger logger;
	const char *job;
	pthread_mutex_t lock; /* guards all below, and the stream */
	struct fold fold;
	kd_buf line;
	char status[256];
};

static const char *const level_names[] = {"error", "warn", "info", "debug"};

/* ---- one value ---- */

static bool json_string(kd_buf *out, const char *text)
{
	bool ok = kd_buf_append(out, "\"", 1);

	for (const char *at = text; ok && *at; at++) {
		unsigned char c = (unsigned char) *at;

		if (c == '"' || c == '\\')
			ok = kd_buf_printf(out, "\\%c", c);
		else if (c == '\n' || c == '\t')
			ok = kd_buf_append(out, c == '\n' ? "\\n" : "\\t", 2);
		else if (c < 0x20 || c == 0x7f)
			ok = kd_buf_printf(out, "\\u%04x", c);
		else
			ok = kd_buf_append(out, at, 1);
	}
	return ok && kd_buf_append(out, "\"", 1);
}

/* logfmt leaves a bare word unquoted. */
static bool is_word(const char *text)
{
	if (!*text)
		return false;
	for (const char *at = text; *at; at++)
		if ((unsigned char) *at <= ' ' || strchr("\"=\\\x7f", *at))
			return false;
	return true;
}

static bool add_text(struct log_out *log, const char *name, const char *text)
{
	bool first = log->line.size == 0;

	if (log->options.json)
		return kd_buf_printf(&log->line, "%s\"%s\":", first ? "{" : ",", name) && json_string(&log->line, text);
	if (!kd_buf_printf(&log->line, "%s%s=", first ? "" : " ", name))
		return false;
	return is_word(text) && strcmp(name, "msg") != 0 ? kd_buf_append(&log->line, text, strlen(text))
		: json_string(&log->line, text);
}

static bool add_number(struct log_out *log, const char *name, int64_t number)
{
	if (log->options.json)
		return kd_buf_printf(&log->line, ",\"%s\":%lld", name, (long long) number);
	return kd_buf_printf(&log->line, " %s=%lld", name, (long long) number);
}

/* ---- one line ---- */

static void put_line(struct log_out *log)
{
	bool status = log->options.status && log->status[0];

	if (status)
		fputs("\r\033[K", log->options.to);
	fwrite(log->line.data, 1, log->line.size, log->options.to);
	if (status)
		fputs(log->status, log->options.to);
	fflush(log->options.to);
}

static void tell(struct log_out *log, kd_log_level level, int64_t batch_time_ms, const char *message,
	const struct log_field *fields, size_t n)
{
	char time[TIME_SIZE];
	bool ok;

	log->line.size = 0;
	ok = add_text(log, "time", time_text(now_ms(), time)) && add_text(log, "level", level_names[level]);
	if (log->job)
		ok = ok && add_text(log, "job", log->job);
	if (batch_time_ms)
		ok = ok && add_number(log, "batch", batch_time_ms);
	ok = ok && add_text(log, "msg", message);
	for (size_t i = 0; i < n; i++)
		ok = ok && (fields[i].text ? add_text(log, fields[i].name, fields[i].text)
			: add_number(log, fields[i].name, fields[i].number));
	ok = ok && kd_buf_append(&log->line, log->options.json ? "}\n" : "\n", log->options.json ? 2 : 1);
	if (ok)
		put_line(log);
}

static void tell_left_out(struct log_out *log, int64_t at_ms)
{
	struct fold_slot *slot;

	while ((slot = fold_next(&log->fold, at_ms))) {
		struct log_field repeated = {.name = "repeated", .number = slot->left_out};

		tell(log, (kd_log_level) slot->tag, 0, slot->text, &repeated, 1);
		slot->told_ms = steady_ms();
		slot->left_out = 0;
	}
}

/* kd_log_fn. */
static void from_library(void *opaque, kd_log_level level, int64_t batch_time_ms, const char *line)
{
	struct log_out *log = opaque;
	bool folds = level <= KD_LOG_WARN || (level == KD_LOG_INFO && batch_time_ms);
	struct log_field repeated = {.name = "repeated"};

	pthread_mutex_lock(&log->lock);
	if (!folds || fold_tell(&log->fold, line, (int) level, steady_ms(), &repeated.number))
		tell(log, level, batch_time_ms, line, &repeated, repeated.number ? 1 : 0);
	pthread_mutex_unlock(&log->lock);
}

/* ---- the log ---- */

struct log_out *log_out_open(const struct log_options *options)
{
	struct log_out *log = calloc(1, sizeof *log);

	if (!log)
		return NULL;
	log->options = *options;
	log->fold.period_ms = options->period_ms;
	log->logger = (kd_logger){.fn = from_library, .opaque = log, .level = options->level};
	pthread_mutex_init(&log->lock, NULL);
	return log;
}

void log_out_close(struct log_out *log)
{
	if (!log)
		return;
	log_out_status(log, "");
	log_out_flush(log);
	kd_buf_done(&log->line);
	pthread_mutex_destroy(&log->lock);
	free(log);
}

void log_out_job(struct log_out *log, const char *job)
{
	log->job = job;
}

const kd_logger *log_out_logger(struct log_out *log)
{
	return &log->logger;
}

void log_out_line(struct log_out *log, kd_log_level level, int64_t batch_time_ms, const char *message,
	const struct log_field *fields, size_t n)
{
	if (level > log->options.level)
		return;
	pthread_mutex_lock(&log->lock);
	tell(log, level, batch_time_ms, message, fields, n);
	pthread_mutex_unlock(&log->lock);
}

void log_out_status(struct log_out *log, const char *text)
{
	if (!log->options.status)
		return;
	pthread_mutex_lock(&log->lock);
	if (log->status[0] || text[0]) {
		snprintf(log->status, sizeof log->status, "%s", text);
		fprintf(log->options.to, "\r\033[K%s", log->status);
		fflush(log->options.to);
	}
	pthread_mutex_unlock(&log->lock);
}

void log_out_flush(struct log_out *log)
{
	pthread_mutex_lock(&log->lock);
	tell_left_out(log, INT64_MAX);
	pthread_mutex_unlock(&log->lock);
}

void log_out_tick(struct log_out *log)
{
	pthread_mutex_lock(&log->lock);
	tell_left_out(log, steady_ms());
	pthread_mutex_unlock(&log->lock);
}
