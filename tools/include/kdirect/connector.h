/* SPDX-License-Identifier: Apache-2.0 */
/* kdirect/connector.h: a program of one's own with everything that kdirect has.
 *
 *     #include <kdirect/connector.h>
 *     #include <kdirect/sinks.h>
 *
 *     int main(int argc, char **argv)
 *     {
 *             static const kd_transform_ops *const transforms[] = {&my_transform, NULL};
 *             static const kd_sink_ops *const sinks[] = {&kd_postgres_sink, NULL};
 *             static const kd_connector connector = {.abi = KD_CONNECTOR_ABI, .name = "orders", .version = "1.0",
 *                     .summary = "orders, redacted, into PostgreSQL",
 *                     .parts = {.sinks = sinks, .transforms = transforms}};
 *             return kd_connector_main(&connector, argc, argv);
 *     }
 *
 * Link with pkg-config kdconnector (and kdsinks for the sinks of kdirect). */
#ifndef KDIRECT_CONNECTOR_H
#define KDIRECT_CONNECTOR_H

#include <kdirect/kdirect.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KD_CONNECTOR_ABI 1u
#define KD_PLUGIN_ABI 1u

/* What a program or a plugin brings: arrays that end with NULL, or NULL where there are none. */
typedef struct kd_parts {
	const kd_sink_ops *const *sinks;
	const kd_decoder_ops *const *decoders;     /* beside those of the library */
	const kd_transform_ops *const *transforms;
} kd_parts;

typedef struct kd_connector {
	uint32_t abi;        /* KD_CONNECTOR_ABI */
	const char *name;    /* of the program, as --help and messages call it */
	const char *version; /* for --version and the ledger's instance row */
	const char *summary; /* one line */
	const kd_option *options; /* configuration keys of its own, below a word of its own: "app.region" */
	size_t n_options;
	kd_parts parts;
	/* A job file that every start begins with, as JSON text; a user's file wins over it.  NULL: none. */
	const char *defaults;
} kd_connector;

/* The whole program: every verb (run, check, plan, offsets, batches, audit, skip, try), --help, --version, exit codes as
 * kdirect's.  Where only one sink, decoder or transform is there, a job file need not name it.  Blocks until done;
 * returns the exit code.  Sets signal handlers and uses stdin, stdout and stderr: call it from main(). */
KD_API int kd_connector_main(const kd_connector *connector, int argc, char **argv);

typedef struct kd_plugin {
	uint32_t abi; /* KD_PLUGIN_ABI */
	const char *name;
	const char *version;
	kd_parts parts;
} kd_plugin;

/* A shared object that a job file names in "plugins" defines this function; what it returns stays valid as long as the
 * program.  It is loaded into any connector, kdirect too, and need not be linked with anything of kdirect: the program
 * has all kd_ functions. */
KD_API const kd_plugin *kd_plugin_entry(void);

#ifdef __cplusplus
}
#endif
#endif
