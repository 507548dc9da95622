/* SPDX-License-Identifier: Apache-2.0 */
/* log_out: the program's log: logfmt or JSON, one line each, on stderr.  Takes the library's lines (kd_logger), folds
 * faults that repeat, and keeps a status line at the foot of a terminal out of their way.  Any thread may log. */
#ifndef TOOLS_LOG_OUT_H
#define TOOLS_LOG_OUT_H

#include <stdbool.h>
#include <stdio.h>

#include <kdirect/log.h>

struct log_out;

struct log_options {
	FILE *to;
	bool json;
	bool status; /* to is a terminal: a status line may be shown */
	kd_log_level level;
	int64_t period_ms; /* of folding; 0: tell every line */
};

/* A pair beside the message; numbers are written without quotes. */
struct log_field {
	const char *name;
	const char *text; /* NULL: number */
	int64_t number;
};

/* NULL without memory. */
struct log_out *log_out_open(const struct log_options *options);
/* Tells what folding left out.  Accepts NULL. */
void log_out_close(struct log_out *log);

/* From now on lines carry the job's name; borrowed until close. */
void log_out_job(struct log_out *log, const char *job);

/* What the library logs through; valid until close. */
const kd_logger *log_out_logger(struct log_out *log);

/* One line with fields of its own; never folded. */
void log_out_line(struct log_out *log, kd_log_level level, int64_t batch_time_ms, const char *message,
	const struct log_field *fields, size_t n);

/* Shows text as the last line of the terminal, rewritten by each call; "" takes it away.  Nothing where there is no
 * terminal. */
void log_out_status(struct log_out *log, const char *text);

/* Tells what was left out and is due; to be called every second or so. */
void log_out_tick(struct log_out *log);

/* Tells all that was left out: before a line that is to be the last. */
void log_out_flush(struct log_out *log);

#endif
