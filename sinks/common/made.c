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

static table *make(const kd_sink_ops *slots, const void *of, const made_head *head)
{
	size_t n = head->options.items ? head->options.n : 0;
	table *t = malloc(sizeof *t + (n + slots->n_options) * sizeof *t->options);
	if (!t)
		return NULL;
	t->sink = *slots;
	t->sink.abi = head->abi;
	t->sink.name = head->name ? head->name : "";
	t->sink.summary = head->summary ? head->summary : "";
	t->sink.more = of;
	t->sink.options = t->options;
	t->sink.n_options = n + slots->n_options;
	if (n)
		memcpy(t->options, head->options.items, n * sizeof *t->options);
	if (slots->n_options)
		memcpy(t->options + n, slots->options, slots->n_options * sizeof *t->options);
	return t;
}

const kd_sink_ops *made_sink(const kd_sink_ops *slots, const void *of, const made_head *head)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static table *tables; /* under the lock; kept for good */
	pthread_mutex_lock(&lock);
	table *t = tables;
	while (t && t->sink.more != of)
		t = t->next;
	if (!t && (t = make(slots, of, head))) {
		t->next = tables;
		tables = t;
	}
	pthread_mutex_unlock(&lock);
	return t ? &t->sink : NULL;
}

kd_code made_check_abi(uint32_t abi, uint32_t ours, kd_error *err)
{
	if (abi == ours)
		return KD_OK;
	return kd_error_set(err, KD_ECONFIG, KD_STOP,
		"could not use the sink: it was built for another kdirect (abi %u, not %u): build it again", (unsigned) abi,
		(unsigned) ours);
}

kd_code made_check_slots(const char *name, const made_slot *slots, size_t n, kd_error *err)
{
	for (size_t i = 0; i < n; i++)
		if (!slots[i].filled)
			return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not use sink \"%s\": its table has no %s",
				name ? name : "", slots[i].name);
	return KD_OK;
}
