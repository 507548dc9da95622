// SPDX-License-Identifier: Apache-2.0
// preview: the next batch's ranges, from the ledger and Kafka as they are, for `kdirect plan`; changes nothing.
#include <stdlib.h>
#include <string.h>

#include "kdirect/job.h"
#include "planner.h"

#define ASK_MS 30000

struct preview {
	const kd_config *config;
	kd_plan_row *rows;
	size_t n;
};

static kd_code list_partitions(struct preview *p, kd_kafka *kafka, kd_error *err)
{
	size_t n_names = kd_config_topic_count(p->config), n = 0;
	const char **names = calloc(n_names, sizeof *names);
	kd_topic *topics = NULL;
	if (!names)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory for topics");
	for (size_t i = 0; i < n_names; i++)
		names[i] = kd_config_topic(p->config, i);
	kd_code code = kd_kafka_topics(kafka, names, n_names, ASK_MS, &topics, &n, err);
	for (size_t i = 0; code == KD_OK && i < n; i++)
		p->n += (size_t) topics[i].partitions;
	p->rows = code == KD_OK ? calloc(p->n ? p->n : 1, sizeof *p->rows) : NULL;
	if (code == KD_OK && !p->rows)
		code = kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory for partitions");
	size_t at = 0;
	for (size_t i = 0; code == KD_OK && i < n_names; i++)
		for (size_t k = 0; k < n; k++)
			for (int32_t q = 0; !strcmp(topics[k].name, names[i]) && q < topics[k].partitions && at < p->n; q++)
				p->rows[at++] = (kd_plan_row) {.topic = names[i], .partition = q, .partition_index = -1,
					.committed_until = -1, .planned_until = -1};
	p->n = at;
	kd_topics_free(topics, n);
	free(names);
	return code;
}

static bool note_segment(void *opaque, const kd_segment *segment)
{
	struct preview *p = opaque;
	for (size_t i = 0; !segment->closed && i < p->n; i++)
		if (p->rows[i].partition == segment->partition && !strcmp(p->rows[i].topic, segment->topic)) {
			p->rows[i].partition_index = segment->partition_index;
			p->rows[i].committed_until = segment->committed_until;
			p->rows[i].planned_until = segment->planned_until;
		}
	return true;
}

/* Where a partition would start that the ledger does not know yet. */
static int64_t first_position(const kd_config *config, const kd_plan_row *row, const kd_offsets *offsets)
{
	switch (kd_config_start(config)) {
	case KD_START_EARLIEST: return offsets->low;
	case KD_START_LATEST: return row->end;
	case KD_START_TIMESTAMP: return offsets->at_time >= 0 ? offsets->at_time : row->end;
	case KD_START_OFFSETS: return kd_config_start_offset(config, row->topic, row->partition);
	}
	return row->end;
}

static kd_code ask_offsets(struct preview *p, kd_kafka *kafka, kd_planner_partition *ranges, kd_error *err)
{
	kd_offsets *offsets = calloc(p->n ? p->n : 1, sizeof *offsets);
	if (!offsets)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory for offsets");
	for (size_t i = 0; i < p->n; i++)
		offsets[i] = (kd_offsets) {.topic = p->rows[i].topic, .partition = p->rows[i].partition, .low = -1,
			.last_stable = -1, .high = -1, .at_time = -1, .group = -1};
	kd_code code = kd_kafka_offsets(kafka, offsets, p->n, KD_OFFSETS_LOW | KD_OFFSETS_LAST_STABLE | KD_OFFSETS_HIGH,
		ASK_MS, err);
	if (code == KD_OK && kd_config_start(p->config) == KD_START_TIMESTAMP)
		code = kd_kafka_offsets_at(kafka, offsets, p->n, kd_config_start_timestamp_ms(p->config), ASK_MS, err);
	for (size_t i = 0; code == KD_OK && i < p->n; i++) {
		kd_plan_row *row = &p->rows[i];
		row->high = offsets[i].high;
		row->end = kd_config_read_committed(p->config) ? offsets[i].last_stable : offsets[i].high;
		int64_t from = row->planned_until >= 0 ? row->planned_until : first_position(p->config, row, &offsets[i]);
		ranges[i] = (kd_planner_partition) {.from = from, .end = row->end, .high = row->high};
	}
	free(offsets);
	return code;
}

static kd_code plan(struct preview *p, kd_kafka *kafka, kd_error *err)
{
	kd_planner_partition *ranges = calloc(p->n ? p->n : 1, sizeof *ranges);
	if (!ranges)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory to plan");
	kd_planner_limits limits = {.backpressure = KD_UNLIMITED, .memory_records = KD_UNLIMITED,
		.records = kd_config_int(p->config, "batch.max_records_per_batch"),
		.records_per_partition = kd_planner_rate_records(kd_config_int(p->config, "batch.max_rate_per_partition"),
			kd_config_int(p->config, "batch.interval_ms"))};
	kd_code code = ask_offsets(p, kafka, ranges, err);
	if (code == KD_OK && kd_planner_plan(ranges, p->n, &limits, 0) < 0)
		code = kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory to plan");
	for (size_t i = 0; code == KD_OK && i < p->n; i++) {
		p->rows[i].range = (kd_range) {ranges[i].from, ranges[i].until};
		p->rows[i].cap = ranges[i].cap;
	}
	free(ranges);
	return code;
}

kd_code kd_plan_preview(const kd_config *config, const kd_sink_ops *sink, void *session, kd_kafka *kafka,
	kd_plan_row **ret_rows, size_t *ret_n, kd_error *err)
{
	struct preview p = {.config = config};
	kd_error no_ledger = {0};
	kd_ledger_view view = {.opaque = &p, .segment = note_segment};
	kd_code code = list_partitions(&p, kafka, err);
	if (code == KD_OK) {
		kd_code read = sink->read_ledger(session, kd_config_string(config, "job"), &view, &no_ledger);
		if (read != KD_OK && read != KD_ECONFIG) /* KD_ECONFIG: the job has not run yet */
			code = kd_error_set(err, no_ledger.code, no_ledger.action, "%s", no_ledger.message);
	}
	if (code == KD_OK)
		code = plan(&p, kafka, err);
	if (code != KD_OK) {
		free(p.rows);
		return code;
	}
	*ret_rows = p.rows;
	*ret_n = p.n;
	return KD_OK;
}
