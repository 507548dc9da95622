/* What somebody writes who has an installation and nothing else; compiled as C and as C++ by install.sh. */
#include <kdirect/connector.h>
#include <kdirect/keyed.h>
#include <kdirect/sinks.h>

static const kd_option options[] = {
	{"transform.prefix", KD_OPT_STRING, "", NULL, 0, 0, false, false, "Only ids that begin with it are kept."},
};

static kd_code open_state(const kd_part_context *context, void **ret_state, kd_error *err)
{
	(void) err;
	*ret_state = (void *) kd_config_string(context->config, "transform.prefix");
	return KD_OK;
}

static kd_code apply(void *state, const kd_batch_partition *batch, kd_row *row, kd_rows *out, kd_error *err)
{
	const char *prefix = (const char *) state;
	kd_value id;

	(void) batch;
	if (!kd_row_get(row, "id", &id) || id.type != KD_VALUE_TEXT)
		return kd_error_set(err, KD_ERECORD, KD_STOP, "\"id\" is no text");
	for (size_t i = 0; prefix[i]; i++)
		if (i >= id.size || id.text[i] != prefix[i])
			return KD_OK;
	kd_row_remove(row, "secret");
	return kd_emit(out, row, err);
}

static const kd_transform_ops keep = {
	KD_TRANSFORM_ABI, "keep", "keeps ids by their prefix", options, 1, open_state, NULL, NULL, apply,
};

int main(int argc, char **argv)
{
	static const kd_transform_ops *const transforms[] = {&keep, NULL};
	static const kd_sink_ops *const sinks[] = {&kd_sqlite_sink, &kd_postgres_sink, NULL};
	static const kd_connector connector = {
		KD_CONNECTOR_ABI, "keeper", "1.0", "keeps some", NULL, 0, {sinks, NULL, transforms}, NULL,
	};

	return kd_connector_main(&connector, argc, argv);
}
