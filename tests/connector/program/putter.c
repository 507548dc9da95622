/* SPDX-License-Identifier: Apache-2.0 */
/* A program with a sink for a target without transactions: puts are lines of a file. */
#include <stdio.h>
#include <stdlib.h>

#include <kdirect/connector.h>
#include <kdirect/keyed.h>

static kd_code put_open(const kd_sink_context *context, void **ret_sink, const char **ret_target, kd_error *err)
{
	(void) err;
	*ret_target = kd_config_string(context->config, "sink.file");
	*ret_sink = (void *) *ret_target;
	return KD_OK;
}

static void put_close(void *sink)
{
	(void) sink;
}

static kd_code put_connect(void *sink, void **ret_session, kd_error *err)
{
	FILE *file = fopen(sink, "a");

	if (!file)
		return kd_error_set(err, KD_EIO, KD_STOP, "could not open \"%s\"", (const char *) sink);
	*ret_session = file;
	return KD_OK;
}

static void put_disconnect(void *session)
{
	if (session)
		fclose(session);
}

static kd_code put_put(void *session, const kd_batch_partition *batch, const kd_put *puts, size_t n, kd_error *err)
{
	(void) batch;
	for (size_t i = 0; i < n; i++)
		fprintf(session, "%s %.*s\n", puts[i].identifier, (int) puts[i].value_size, (const char *) puts[i].value);
	return fflush(session) == 0 ? KD_OK : kd_error_set(err, KD_EIO, KD_STOP, "could not write");
}

static const kd_option options[] = {
	{.key = "sink.file", .type = KD_OPT_STRING, .required = true, .help = "The file to append to."},
};

static const kd_keyed_ops put = {
	.abi = KD_KEYED_ABI,
	.name = "put",
	.summary = "lines of a file",
	.options = options,
	.n_options = 1,
	.by = KD_KEYED_BY_IDENTIFIER,
	.open = put_open,
	.close = put_close,
	.connect = put_connect,
	.disconnect = put_disconnect,
	.put = put_put,
};

int main(int argc, char **argv)
{
	const kd_sink_ops *const sinks[] = {kd_keyed_sink(&put), NULL};
	const kd_connector connector = {
		.abi = KD_CONNECTOR_ABI,
		.name = "putter",
		.version = "1",
		.summary = "puts",
		.parts = {.sinks = sinks},
		.defaults = "{\"start\": \"earliest\"}",
	};

	return sinks[0] ? kd_connector_main(&connector, argc, argv) : 4;
}
