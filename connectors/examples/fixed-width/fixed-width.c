/* SPDX-License-Identifier: Apache-2.0 */
/* fixed-width: a decoder of one's own, for lines whose fields stand at fixed columns, as banks send them.
 *
 *     "decode": { "type": "fixed-width", "columns": ["id:8", "name:20", "cents:10"] }
 *
 * Blanks around a field are taken off; a field of blanks is null.  A record of another length is a bad record. */
#include <stdlib.h>
#include <string.h>

#include <kdirect/connector.h>
#include <kdirect/sinks.h>

struct column {
	char *name;
	size_t width;
};

struct layout {
	struct column *columns;
	size_t n;
	size_t width; /* of a record */
};

static const kd_option options[] = {
	{.key = "decode.columns", .type = KD_OPT_STRINGS, .required = true,
	 .help = "The fields in their order, each as name:width, the width in bytes."},
};

static void close_layout(void *state)
{
	struct layout *layout = state;

	for (size_t i = 0; layout && i < layout->n; i++)
		free(layout->columns[i].name);
	if (layout)
		free(layout->columns);
	free(layout);
}

/* "name:width" */
static kd_code read_column(const char *text, struct column *column, kd_error *err)
{
	const char *colon = strrchr(text, ':');
	char *end = NULL;
	long width = colon ? strtol(colon + 1, &end, 10) : 0;

	if (!colon || colon == text || *end || width < 1 || width > 1000000)
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "decode.columns: \"%s\" is not name:width", text);
	column->width = (size_t) width;
	column->name = strndup(text, (size_t) (colon - text));
	return column->name ? KD_OK : kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory");
}

static kd_code open_layout(const kd_part_context *context, void **ret_state, kd_error *err)
{
	size_t n = kd_config_strings_count(context->config, "decode.columns");
	struct layout *layout = calloc(1, sizeof *layout);
	kd_code code = KD_OK;

	if (layout)
		layout->columns = calloc(n ? n : 1, sizeof *layout->columns);
	if (!layout || !layout->columns)
		code = kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory");
	for (size_t i = 0; !code && i < n; i++) {
		code = read_column(kd_config_strings_at(context->config, "decode.columns", i), &layout->columns[i], err);
		layout->n += code == KD_OK;
		layout->width += layout->columns[i].width;
	}
	if (code)
		close_layout(layout);
	else
		*ret_state = layout;
	return code;
}

/* The field without the blanks around it; a null where nothing is left. */
static void set_field(kd_row *row, const char *name, const char *text, size_t size)
{
	while (size > 0 && text[size - 1] == ' ')
		size--;
	for (; size > 0 && *text == ' '; size--)
		text++;
	if (size > 0)
		kd_row_set_text(row, name, text, size);
	else
		kd_row_set_null(row, name);
}

static kd_code decode(void *state, const kd_batch_partition *batch, const kd_record *record, kd_row *row, kd_error *err)
{
	const struct layout *layout = state;
	const char *at = record->value;

	(void) batch;
	if (record->value_size != layout->width)
		return kd_error_set(err, KD_ERECORD, KD_STOP, "the record has %zu bytes instead of %zu", record->value_size,
			layout->width);
	for (size_t i = 0; i < layout->n; i++) {
		set_field(row, layout->columns[i].name, at, layout->columns[i].width);
		at += layout->columns[i].width;
	}
	return KD_OK;
}

static const kd_decoder_ops decoder = {
	.abi = KD_DECODER_ABI,
	.name = "fixed-width",
	.summary = "fields at fixed columns of a line",
	.options = options,
	.n_options = sizeof options / sizeof options[0],
	.open = open_layout,
	.close = close_layout,
	.decode = decode,
};

int main(int argc, char **argv)
{
	static const kd_decoder_ops *const decoders[] = {&decoder, NULL};
	static const kd_sink_ops *const sinks[] = {&kd_postgres_sink, &kd_sqlite_sink, NULL};
	static const kd_connector connector = {
		.abi = KD_CONNECTOR_ABI,
		.name = "fixed-width",
		.version = "1.0",
		.summary = "fixed-width records into a database",
		.parts = {.sinks = sinks, .decoders = decoders},
	};

	return kd_connector_main(&connector, argc, argv);
}
