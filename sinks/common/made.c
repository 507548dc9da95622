// SPDX-License-Identifier: Apache-2.0
// made: see the header.
#include "made.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct table {
	struct table *next;
	kd_sink_ops sink;
	kd_option options[];
} table;

static table *make(const kd_sink_ops *slots, const void *of, const char *name, const char *summary,
	const kd_options *options)
{
	table *t = malloc(sizeof *t + (options->n + slots->n_options) * sizeof *t->options);
	if (!t)
		return NULL;
	t->sink = *slots;
	t->sink.name = name;
	t->sink.summary = summary;
	t->sink.more = of;
	t->sink.options = t->options;
	t->sink.n_options = options->n + slots->n_options;
	if (options->n)
		memcpy(t->options, options->items, options->n * sizeof *t->options);
	if (slots->n_options)
		memcpy(t->options + options->n, slots->options, slots->n_options * sizeof *t->options);
	return t;
}

const kd_sink_ops *made_sink(const kd_sink_ops *slots, const void *of, const char *name, const char *summary,
	const kd_options *options)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static table *tables; /* under the lock; kept for good */
	pthread_mutex_lock(&lock);
	table *t = tables;
	while (t && t->sink.more != of)
		t = t->next;
	if (!t && (t = make(slots, of, name, summary, options))) {
		t->next = tables;
		tables = t;
	}
	pthread_mutex_unlock(&lock);
	return t ? &t->sink : NULL;
}
