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
#include "kdirect/types.h"

typedef struct kd_entry {
	char *key; /* dotted: "batch.interval_ms" */
	const kd_option *option; /* NULL: no such key */
	const kd_origin *origin;
	kd_json_member member;
	bool is_parent; /* an object whose members are entries of their own */
	bool is_repeat; /* its key was there before, in the same text */
} kd_entry;

/* The value of an option of any type but KD_OPT_START and KD_OPT_MAP. */
typedef struct kd_setting {
	bool given;
	char *text;     /* KD_OPT_STRING, KD_OPT_ENUM */
	int64_t number; /* KD_OPT_INT, KD_OPT_LIMIT, KD_OPT_BOOL */
	char **items;   /* KD_OPT_STRINGS */
	size_t n_items;
} kd_setting;

typedef struct kd_property {
	char *name, *value;
} kd_property;

typedef struct kd_start_offset {
	const char *topic; /* of the values of "topics" */
	int32_t partition;
	int64_t offset;
} kd_start_offset;

struct kd_config {
	size_t n_tables; /* 0: nobody here knows what keys the sink has */
	kd_option *more; /* of all tables given */
	size_t n_more;

	kd_origin **origins;
	size_t n_origins;
	kd_origin *file; /* of origins: what the job is called by in findings; NULL: nothing was parsed or set */
	kd_entry *entries;
	size_t n_entries, capacity_entries;
	char *peeked; /* what kd_config_peek gave last */

	/* What the check makes of them. */
	bool checked;
	kd_setting *values; /* the engine's options, then more */
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
 * in front.  Overrides replace earlier entries of the same key, and any text replaces those of defaults. */
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
json_t *kd_config_entry_json(const kd_entry *entry, bool *ret_no_memory);
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

/* config_strings.c */

/* One string of an array, unexpanded, that stands at `at` in the entry's text. */
typedef void kd_string_fn(kd_config *config, kd_findings *findings, const kd_entry *entry, size_t at, const char *text);
/* Calls fn for each string of the entry's array, or of a,b on a command line, and finds what is no string.  Returns how
 * many elements there were, or -1 where it is no array. */
int kd_config_each_string(kd_config *config, kd_findings *findings, const kd_entry *entry, kd_string_fn *fn);
/* Judges an array of strings and keeps it. */
void kd_config_check_strings(kd_config *config, kd_findings *findings, const kd_entry *entry);
/* Keeps one more; false without memory, which frees it. */
bool kd_setting_add(kd_setting *setting, char *take_item) KD_CHECK;
/* Keeps the items of a,b; false without memory. */
bool kd_setting_add_list(kd_setting *setting, const char *list) KD_CHECK;
/* No value. */
void kd_setting_done(kd_setting *setting);

/* config_topics.c */

void kd_config_check_topics(kd_config *config, kd_findings *findings, const kd_entry *entry);
/* The values of "topics". */
kd_setting *kd_config_topics(const kd_config *config);

/* config_read.c */

/* Appends an open file to its end.  Returns 0 or an errno: EFBIG where there is more than most_bytes. */
int kd_config_read(int fd, size_t most_bytes, kd_buf *out);

/* config_start.c: after the topics */

void kd_config_check_start(kd_config *config, kd_findings *findings, const kd_entry *entry);
int kd_config_compare_start(const void *left, const void *right);

#endif
