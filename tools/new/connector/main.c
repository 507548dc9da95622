/* @NAME@: orders from Kafka into a database, exactly once.  What becomes of a record is decided in apply(). */
#include <kdirect/connector.h>
#include <kdirect/sinks.h>

/* The transform's own keys: they stand below "transform" in the job file, and in "@NAME@ check". */
static const kd_option options[] = {
	{.key = "transform.least", .type = KD_OPT_INT, .default_value = "0", .min = 0, .max = 1000000,
	 .help = "Orders of a smaller amount are dropped."},
};

/* Called for each record: emit nothing (dropped, and counted), the row, or several rows.  A transform without a state of
 * its own is given the context of its worker. */
static kd_code apply(void *state, const kd_batch_partition *batch, kd_row *row, kd_rows *out, kd_error *err)
{
	const kd_part_context *worker = state;
	kd_value value;
	int64_t amount;

	(void) batch;
	if (!kd_row_get(row, "amount", &value) || !kd_value_int(&value, &amount))
		return kd_error_set(err, KD_ERECORD, KD_STOP, "\"amount\" is not a whole number");
	if (amount < kd_config_int(worker->config, "transform.least"))
		return KD_OK;
	kd_row_set_bool(row, "large", amount >= 1000);
	return kd_emit(out, row, err);
}

static const kd_transform_ops transform = {
	.abi = KD_TRANSFORM_ABI,
	.name = "@NAME@",
	.summary = "drops small orders, marks large ones",
	.options = options,
	.n_options = sizeof options / sizeof options[0],
	.apply = apply,
};

int main(int argc, char **argv)
{
	static const kd_transform_ops *const transforms[] = {&transform, NULL};
	static const kd_sink_ops *const sinks[] = {&kd_postgres_sink, &kd_sqlite_sink, NULL};
	static const kd_connector connector = {
		.abi = KD_CONNECTOR_ABI,
		.name = "@NAME@",
		.version = "0.1.0",
		.summary = "orders from Kafka into a database, exactly once",
		.parts = {.sinks = sinks, .transforms = transforms},
	};

	return kd_connector_main(&connector, argc, argv);
}
