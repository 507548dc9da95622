/* SPDX-License-Identifier: Apache-2.0 */
/* kdirect/config.h: a job's configuration.
 *
 * Order of calls: kd_config_new, then kd_config_parse or kd_config_load (at most once) and kd_config_set (any number, each
 * wins over the file, and needs none), then kd_config_check, which judges everything at once.  After a clean check the getters
 * answer, defaults applied.  Every option is a row of a table (kd_option): the parser, --help, the diagnostics and
 * docs/CONFIGURATION.md are all made from it. */
#ifndef KDIRECT_CONFIG_H
#define KDIRECT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kdirect/error.h"

#ifdef __cplusplus
extern "C" {
#endif

#define KD_UNLIMITED INT64_C(-1) /* what the word "unlimited" reads as */

typedef enum kd_option_type {
	KD_OPT_STRING,
	KD_OPT_INT,       /* whole number within [min, max] */
	KD_OPT_LIMIT,     /* as INT, or the word "unlimited" */
	KD_OPT_BOOL,
	KD_OPT_ENUM,      /* one of the words in `values`, separated by | */
	KD_OPT_STRINGS,   /* an array of strings */
	KD_OPT_START,     /* "latest", "earliest", {"timestamp": ...}, {topic: {partition: offset}} */
	KD_OPT_MAP        /* an object of strings (kafka.*) */
} kd_option_type;

typedef struct kd_option {
	const char *key;            /* "batch.interval_ms" */
	kd_option_type type;
	const char *default_value;  /* as text, KD_OPT_STRINGS: "a,b"; a value that the option takes; NULL: none */
	const char *values;         /* KD_OPT_ENUM: "raw|text|json" */
	int64_t min, max;           /* KD_OPT_INT, KD_OPT_LIMIT; both 0: no bounds */
	bool required;
	bool secret;                /* its value never shows in output, ledger or logs */
	const char *help;           /* one or two sentences, with the unit */
} kd_option;

/* A table of options. */
typedef struct kd_options {
	const kd_option *items;
	size_t n;
} kd_options;

typedef struct kd_config kd_config;

/* Where a job starts in a topic that it sees for the first time. */
typedef enum kd_start_kind { KD_START_LATEST, KD_START_EARLIEST, KD_START_TIMESTAMP, KD_START_OFFSETS } kd_start_kind;

/* One finding of kd_config_check, in the order of the file. */
typedef struct kd_diagnostic {
	const char *file; /* as given; "--set" for an override */
	int line, column; /* from 1; 0: the file as a whole */
	const char *message;
} kd_diagnostic;
typedef void kd_diagnostic_fn(void *opaque, const kd_diagnostic *diagnostic);

/* A configuration that knows the engine's options and those of n more tables (a sink's, a decoder's, a transform's, a
 * program's own), which must outlive it.  Of all types but KD_OPT_START and KD_OPT_MAP.  NULL without memory. */
KD_API kd_config *kd_config_new(const kd_options *tables, size_t n);
KD_API void kd_config_free(kd_config *config);

/* Reads JSON text; `name` is what diagnostics call it.  Syntax errors are reported through `report` with
 * file:line:col and KD_ECONFIG. */
KD_API kd_code kd_config_parse(kd_config *config, const char *text, size_t size, const char *name,
	kd_diagnostic_fn *report, void *opaque, kd_error *err) KD_CHECK;

/* The same from a file; "-" is standard input.  At most 16 MB. */
KD_API kd_code kd_config_load(kd_config *config, const char *path, kd_diagnostic_fn *report, void *opaque,
	kd_error *err) KD_CHECK;

/* Keys that hold where neither the file nor an override gives them, as JSON text; `name` is what diagnostics call it.
 * Before or after the file; of several texts the first one that gives a key wins. */
KD_API kd_code kd_config_defaults(kd_config *config, const char *text, size_t size, const char *name,
	kd_diagnostic_fn *report, void *opaque, kd_error *err) KD_CHECK;

/* Overrides a key: value is JSON, or taken as a string where it is not JSON ("500", "true", "earliest"); "a,b" is
 * an array for KD_OPT_STRINGS.  With kd_config_set alone a whole configuration can be made. */
KD_API kd_code kd_config_set(kd_config *config, const char *key, const char *value, kd_error *err) KD_CHECK;

/* Judges all keys and their meaning, expands ${env:NAME} and ${file:PATH}, and reports every finding.
 * KD_ECONFIG where there was at least one; err then counts them.  Also KD_ECONFIG, without any, where an option's default
 * is no value of it. */
KD_API kd_code kd_config_check(kd_config *config, kd_diagnostic_fn *report, void *opaque, kd_error *err) KD_CHECK;

/* What a text key says now, unexpanded ("sink.type"); may be called after parse, before check, and for keys that are in no
 * table.  Borrowed until the next look.  NULL: nothing, or no text. */
KD_API const char *kd_config_peek(kd_config *config, const char *key);
/* The same of the i-th string of an array ("plugins").  NULL past the last. */
KD_API const char *kd_config_peek_at(kd_config *config, const char *key, size_t i);

/* The getters: borrowed values, valid as long as the configuration.  A key that is in no table is a programming
 * mistake (assert). */
KD_API const char *kd_config_string(const kd_config *config, const char *key); /* NULL: not given, no default */
KD_API int64_t kd_config_int(const kd_config *config, const char *key);
KD_API bool kd_config_bool(const kd_config *config, const char *key);
KD_API bool kd_config_is_set(const kd_config *config, const char *key); /* given, not defaulted */
KD_API size_t kd_config_strings_count(const kd_config *config, const char *key);
KD_API const char *kd_config_strings_at(const kd_config *config, const char *key, size_t i); /* NULL past the last */
KD_API size_t kd_config_topic_count(const kd_config *config);
KD_API const char *kd_config_topic(const kd_config *config, size_t i);
KD_API size_t kd_config_kafka_count(const kd_config *config);
KD_API void kd_config_kafka(const kd_config *config, size_t i, const char **ret_name, const char **ret_value);
/* The isolation level that the job reads at: read_committed unless kafka.isolation.level says otherwise. */
KD_API bool kd_config_read_committed(const kd_config *config);
KD_API kd_start_kind kd_config_start(const kd_config *config);
KD_API int64_t kd_config_start_timestamp_ms(const kd_config *config);
/* The offset asked for, or -1 where the start policy names none for this partition. */
KD_API int64_t kd_config_start_offset(const kd_config *config, const char *topic, int32_t partition);

/* The engine's own options, in the order of the reference page. */
KD_API const kd_option *kd_config_options(size_t *ret_n);

/* Parses an RFC 3339 time or date, or a time relative to now_ms ("-1h", "-30m", "-2d"), to milliseconds since 1970
 * UTC; false where it is neither. */
KD_API bool kd_parse_time(const char *text, int64_t now_ms, int64_t *ret_ms);

#ifdef __cplusplus
}
#endif
#endif
