/* SPDX-License-Identifier: Apache-2.0 */
/* try: a pipeline whose sink is a callback: what a job makes of records, seen without a broker or a target. */
#include <stdlib.h>
#include <string.h>

#include "config_private.h"
#include "kdirect/job.h"
#include "pipeline.h"

struct kd_try {
	const kd_config *config;
	kd_sink_ops ops; /* encode alone is there */
	kd_try_row *row;
	void *opaque;
	kd_logger log;
	kd_batch_partition batch;
	kd_pipeline *pipeline;
	kd_buf unused; /* what encoders write to */
};

static bool is_listed(const kd_config *config, const char *table)
{
	const char *name;

	for (size_t i = 0; (name = kd_config_strings_at(config, "sink.tables", i)); i++)
		if (strcmp(name, table) == 0)
			return true;
	return false;
}

static kd_code encode(void *encoder, const kd_batch_partition *batch, const kd_record *record, kd_buf *out,
	uint32_t *ret_rows, kd_error *err)
{
	kd_try *trial = encoder;

	(void) batch;
	(void) out;
	*ret_rows = 1;
	if (record->table && record->table[0] && !is_listed(trial->config, record->table))
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "a row is for the table \"%s\", which \"sink.tables\" does not list",
			record->table);
	return trial->row(trial->opaque, record, err);
}

/* As a run chooses it once it has seen the sink's table, as far as that can be known here. */
static const kd_decoder_ops *default_decoder(const kd_config *config, const kd_transform_ops *transform)
{
	size_t i;
	const char *layout = kd_config_find(config, "sink.layout", &i) ? config->values[i].text : NULL;

	return transform && (!layout || strcmp(layout, "raw") != 0) ? &kd_json_decoder : &kd_raw_decoder;
}

static kd_code choose(const kd_config *config, const kd_job_options *options, kd_pipeline_conf *conf, kd_error *err)
{
	const char *name = kd_config_string(config, "decode.type");

	conf->transform = options->transform;
	conf->decoder = options->decoder;
	if (!conf->decoder && name)
		return kd_pipeline_find_decoder(name, &conf->decoder, err);
	if (!conf->decoder)
		conf->decoder = default_decoder(config, options->transform);
	return KD_OK;
}

kd_code kd_try_open(const kd_config *config, const kd_job_options *options, kd_try_row *row, void *opaque,
	kd_try **ret_try, kd_error *err)
{
	kd_try *trial = calloc(1, sizeof *trial);
	kd_pipeline_conf conf = {0};

	*ret_try = NULL;
	if (!trial)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory");
	trial->config = config;
	trial->ops = (kd_sink_ops){.abi = KD_SINK_ABI, .name = "try", .encode = encode};
	trial->row = row;
	trial->opaque = opaque;
	trial->log = options->log;
	trial->batch = (kd_batch_partition){.job = kd_config_string(config, "job"), .topic = kd_config_topic(config, 0),
		.range = {0, INT64_MAX}};
	conf.part = (kd_part_context){.config = config, .log = &trial->log};
	conf.ops = &trial->ops;
	conf.encoder = trial;
	kd_code code = choose(config, options, &conf, err);
	if (!code)
		code = kd_pipeline_check(conf.decoder, conf.transform, conf.ops, err);
	if (!code)
		code = kd_pipeline_open(&conf, &trial->pipeline, err);
	if (code)
		kd_try_close(trial);
	else
		*ret_try = trial;
	return code;
}

kd_code kd_try_record(kd_try *trial, const kd_record *record, uint32_t *ret_rows, kd_error *err)
{
	return kd_pipeline_encode(trial->pipeline, &trial->batch, record, &trial->unused, ret_rows, err);
}

void kd_try_close(kd_try *trial)
{
	if (!trial)
		return;
	kd_pipeline_close(trial->pipeline);
	kd_buf_done(&trial->unused);
	free(trial);
}
