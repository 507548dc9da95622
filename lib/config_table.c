/* SPDX-License-Identifier: Apache-2.0 */
/* config_table: the engine's own configuration keys.  The parser, the diagnostics, --help and
 * docs/CONFIGURATION.md are made from these rows and from those of the parts that a job names. */
#include <stddef.h>

#include "kdirect/config.h"

#define MINUTE_MS INT64_C(60000)
#define DAY_MS (24 * 60 * MINUTE_MS)

static const kd_option options[] = {
	{.key = "job",
	 .type = KD_OPT_STRING,
	 .required = true,
	 .help = "The job's name: its positions in the ledger belong to this name. 1 to 100 of the characters a-z A-Z 0-9 "
		 ". _ -"},
	{.key = "kafka",
	 .type = KD_OPT_MAP,
	 .required = true,
	 .help = "Properties for librdkafka by their own names, such as \"bootstrap.servers\" (required), "
		 "\"security.protocol\" or \"sasl.password\". What would break exactly-once is refused with the reason. "
		 "\"isolation.level\" is \"read_committed\" unless given."},
	{.key = "topics",
	 .type = KD_OPT_STRINGS,
	 .required = true,
	 .help = "The topics to read, by name: an array of strings."},
	{.key = "start",
	 .type = KD_OPT_START,
	 .default_value = "latest",
	 .help = "Where to begin in a topic that the job sees for the first time: \"latest\", \"earliest\", "
		 "{\"timestamp\": \"2026-01-01T00:00:00Z\"}, or an offset for every partition as in "
		 "{\"orders\": {\"0\": 42, \"1\": 7}}. It is resolved once and stored; a restart does not read it again."},
	{.key = "workers",
	 .type = KD_OPT_INT,
	 .default_value = "1",
	 .min = 1,
	 .max = 256,
	 .help = "Threads that read and write, each with its own share of the partitions and its own connections."},
	{.key = "batch.interval_ms",
	 .type = KD_OPT_INT,
	 .default_value = "1000",
	 .min = 1,
	 .max = DAY_MS,
	 .help = "Milliseconds from one batch to the next. A backlog is worked off without waiting."},
	{.key = "batch.max_records_per_batch",
	 .type = KD_OPT_LIMIT,
	 .default_value = "500000",
	 .min = 1,
	 .max = INT64_C(1000000000000),
	 .help = "The most records in one batch, over all partitions."},
	{.key = "batch.max_rate_per_partition",
	 .type = KD_OPT_LIMIT,
	 .default_value = "unlimited",
	 .min = 1,
	 .max = INT64_C(1000000000),
	 .help = "The most records a second from one partition."},
	{.key = "batch.backpressure",
	 .type = KD_OPT_BOOL,
	 .default_value = "false",
	 .help = "Plan no more than what the sink has kept up with lately, shared out over the partitions by lag."},
	{.key = "memory_mb",
	 .type = KD_OPT_INT,
	 .default_value = "24",
	 .min = 1,
	 .max = 1 << 20,
	 .help = "Megabytes (of 1048576 bytes) of encoded rows that may wait for the sink, over all partitions."},
	{.key = "on_data_loss",
	 .type = KD_OPT_ENUM,
	 .default_value = "stop",
	 .values = "stop|record",
	 .help = "What to do where Kafka no longer holds offsets that are due: \"stop\" and explain, or \"record\" the gap "
		 "in the ledger and go on behind it."},
	{.key = "retry_timeout_ms",
	 .type = KD_OPT_INT,
	 .default_value = "600000",
	 .min = 1,
	 .max = 7 * DAY_MS,
	 .help = "Milliseconds for which a lost broker or database is retried before the job ends with exit code 4."},
	{.key = "ledger_keep_days",
	 .type = KD_OPT_INT,
	 .default_value = "30",
	 .min = 1,
	 .max = 36500,
	 .help = "Days for which the ledger keeps the identifiers of committed batches. Older ones are added up, then "
		 "removed; positions stay."},
	{.key = "mirror_group",
	 .type = KD_OPT_STRING,
	 .help = "A Kafka consumer group to which positions are also committed, after the sink's commit, for tools that "
		 "show lag. It is never read back."},
	{.key = "sink.type",
	 .type = KD_OPT_STRING,
	 .required = true,
	 .help = "The sink to write to, such as \"postgres\", \"sqlite\" or \"null\". A program with only one needs none "
		 "named."},
	{.key = "sink.tables",
	 .type = KD_OPT_STRINGS,
	 .help = "Tables beside the sink's own that a transform writes to: an array of names as the sink has them. Rows "
		 "for all tables of a batch partition are committed together, table by table in this order: one that others refer "
		 "to stands before them."},
	{.key = "decode.type",
	 .type = KD_OPT_STRING,
	 .help = "The decoder that turns a record's bytes into fields: \"raw\", \"text\", \"json\", \"csv\", or one of the "
		 "program's or of a plugin. Without it the sink takes records as they are."},
	{.key = "transform.type",
	 .type = KD_OPT_STRING,
	 .help = "The transform that keeps, changes, drops or splits records, one of the program's or of a plugin. A "
		 "program with only one transform needs none named. Without it every record is one row."},
	{.key = "plugins",
	 .type = KD_OPT_STRINGS,
	 .help = "Shared objects that bring sinks, decoders and transforms of their own: paths, taken from the folder of "
		 "the job file. They run with all rights of the program, so one that others may write to is refused."},
};

const kd_option *kd_config_options(size_t *ret_n)
{
	*ret_n = sizeof options / sizeof options[0];
	return options;
}
