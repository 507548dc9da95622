/* SPDX-License-Identifier: Apache-2.0 */
/* config_private: what the files behind kdirect/config.h share.
 *
 * A configuration is read in two steps.  Parsing (config.c, config_entries.c) only splits the text into entries: one
 * for each dotted key, with its place.  Checking (config_check.c with config_kafka.c, config_start.c,
 * config_expand.c) judges the entries, collects findings (config_findings.c) and fills in the values that the getters
 * answer from. */
#ifndef KD_CONFIG_PRIVATE_H
#define KD_CONFIG_PRIVATE_H

#include <jansson.h>

#include "config_findings.h"
#include "json_where.h"
#include "kdirect/config.h"

typedef struct kd_entry {
	char *key; /* dotted: "batch.interval_ms" */
	const kd_option *option; /* NULL: no such key */
	const kd_origin *origin;
	kd_json_member member;
	bool is_parent; /* an object whose members are entries of their own */
	bool is_repeat; /* its key was there before, in the same text */
} kd_entry;

/* The value of a scalar option. */
typedef struct kd_value {
	bool given;
	char *text;     /* KD_OPT_STRING, KD_OPT_ENUM */
	int64_t number; /* KD_OPT_INT, KD_OPT_LIMIT, KD_OPT_BOOL */
} kd_value;

typedef struct kd_property {
	char *name, *value;
} kd_property;

typedef struct kd_start_offset {
	const char *topic; /* of config->topics */
	int32_t partition;
	int64_t offset;
} kd_start_offset;

struct kd_config {
	kd_option *more; /* of all tables given */
	size_t n_more;

	kd_origin **origins; /* [0]: the file */
	size_t n_origins;
	kd_entry *entries;
	size_t n_entries, capacity_entries;
	char *peeked; /* what kd_config_peek gave last */

	/* What the check makes of them. */
	bool checked;
	kd_value *values; /* the engine's options, then more */
	char **topics;
	size_t n_topics;
	kd_property *kafka;
	size_t n_kafka;
	kd_start_kind start;
	int64_t start_timestamp_ms;
	kd_start_offset *start_offsets; /* by topic and partition */
	size_t n_start_offsets;
};

/* config.c */

/* Undoes the last check. */
void kd_config_forget(kd_config *config);
/* Makes an empty text stand in where only overrides were given; false without memory. */
bool kd_config_has_text(kd_config *config) KD_CHECK;

/* config_entries.c */

/* Splits the object that begins at `at` in the origin's text into entries; their keys get `prefix` ("" or "batch.")
 * in front.  Overrides replace earlier entries of the same key. */
kd_code kd_config_split(kd_config *config, const kd_origin *origin, size_t at, const char *prefix, kd_error *err)
	KD_CHECK;
/* Adds one entry; false without memory.  takes key. */
bool kd_config_add_entry(kd_config *config, char *take_key, const kd_origin *origin, kd_json_member member,
	bool is_parent) KD_CHECK;
/* The i-th option of the engine's table and `more`; NULL past the last. */
const kd_option *kd_config_option(const kd_config *config, size_t i);
/* The option of a dotted key, and its number; a map's option for each of its members.  NULL: none. */
const kd_option *kd_config_find(const kd_config *config, const char *key, size_t *ret_i);
/* Whether the key stands for a group of options, as "batch" does. */
bool kd_config_is_parent(const kd_config *config, const char *key);
/* The entry's value, a new reference.  NULL without memory, or where it is no UTF-8. */
json_t *kd_config_entry_json(const kd_entry *entry);
/* The unescaped text of a key in the origin's text; the caller frees it.  NULL without memory. */
char *kd_config_key_text(const kd_origin *origin, kd_json_member member);

/* config_check.c */

/* Expands a string's references; NULL where it failed, and then says so in findings at `at`. */
char *kd_config_expanded(kd_findings *findings, const kd_origin *origin, size_t at, const char *key, const char *text,
	bool *ret_expanded);

/* config_kafka.c */

/* Judges one property and adds it to config->kafka. */
void kd_config_check_kafka(kd_config *config, kd_findings *findings, const kd_entry *entry);
/* Says what is missing among all properties. */
void kd_config_check_kafka_whole(const kd_config *config, kd_findings *findings);

/* config_topics.c */

void kd_config_check_topics(kd_config *config, kd_findings *findings, const kd_entry *entry);

/* config_start.c: after the topics */

void kd_config_check_start(kd_config *config, kd_findings *findings, const kd_entry *entry);
int kd_config_compare_start(const void *left, const void *right);

#endif
