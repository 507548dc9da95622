/* SPDX-License-Identifier: Apache-2.0 */
/* redact: what may not leave Kafka is replaced before it reaches the table: a transform in twenty lines. */
#include <string.h>

#include <kdirect/connector.h>
#include <kdirect/sinks.h>

static const kd_option options[] = {
	{.key = "transform.fields", .type = KD_OPT_STRINGS, .required = true,
	 .help = "The fields to redact: an array of names."},
	{.key = "transform.with", .type = KD_OPT_STRING, .default_value = "***", .help = "What stands in their place."},
};

static kd_code redact(void *state, const kd_batch_partition *batch, kd_row *row, kd_rows *out, kd_error *err)
{
	const kd_config *config = ((const kd_part_context *) state)->config;
	const char *with = kd_config_string(config, "transform.with"), *name;
	kd_value value;

	(void) batch;
	for (size_t i = 0; (name = kd_config_strings_at(config, "transform.fields", i)); i++)
		if (kd_row_get(row, name, &value) && value.type != KD_VALUE_NULL)
			kd_row_set_text(row, name, with, strlen(with));
	return kd_emit(out, row, err);
}

static const kd_transform_ops transform = {
	.abi = KD_TRANSFORM_ABI,
	.name = "redact",
	.summary = "replaces the values of the fields named",
	.options = options,
	.n_options = sizeof options / sizeof options[0],
	.apply = redact,
};

int main(int argc, char **argv)
{
	static const kd_transform_ops *const transforms[] = {&transform, NULL};
	static const kd_sink_ops *const sinks[] = {&kd_postgres_sink, &kd_sqlite_sink, NULL};
	static const kd_connector connector = {
		.abi = KD_CONNECTOR_ABI,
		.name = "redact",
		.version = "1.0",
		.summary = "records with some fields redacted, into a database",
		.parts = {.sinks = sinks, .transforms = transforms},
	};

	return kd_connector_main(&connector, argc, argv);
}
