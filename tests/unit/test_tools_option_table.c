/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of options that others wrote: each mistake is told by its key, before the table is used. */
#include <criterion/criterion.h>
#include <string.h>

#include "tools/option_table.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

Test(option_table, is_taken_where_each_option_can_be_used)
{
	static const kd_option sink[] = {
		{.key = "sink.path", .type = KD_OPT_STRING, .required = true},
		{.key = "sink.port", .type = KD_OPT_INT, .default_value = "5"},
		{.key = "sink.rate", .type = KD_OPT_LIMIT, .default_value = "unlimited", .min = 1, .max = 9},
		{.key = "sink.layout", .type = KD_OPT_ENUM, .values = "raw|json", .default_value = "raw"},
	};
	static const kd_option own[] = {{.key = "app.on", .type = KD_OPT_BOOL, .default_value = "true"}};
	kd_error err = {0};

	cr_expect_eq(option_table_check((kd_options){sink, COUNT(sink)}, "sink", &err), KD_OK, "%s", err.message);
	cr_expect_eq(option_table_check((kd_options){own, COUNT(own)}, NULL, &err), KD_OK, "%s", err.message);
	cr_expect_eq(option_table_check((kd_options){NULL, 0}, "decode", &err), KD_OK, "%s", err.message);
}

Test(option_table, is_refused_with_the_key_and_the_reason)
{
	static const struct {
		const char *group;
		kd_option option;
		const char *says;
	} rows[] = {
		{"sink", {.key = NULL}, "option 2 has no key"},
		{"sink", {.key = ""}, "option 2 has no key"},
		{"sink", {.key = "x"}, "option \"x\": its key must begin with \"sink.\""},
		{"sink", {.key = "sink."}, "option \"sink.\": its key must begin with \"sink.\""},
		{"decode", {.key = "sink.path"}, "option \"sink.path\": its key must begin with \"decode.\""},
		{"sink", {.key = "sink.type"}, "option \"sink.type\": the key is kdirect's own"},
		{NULL, {.key = "region"}, "option \"region\": its key must be below a word of its own, as \"app.region\""},
		{NULL, {.key = "sink.x"}, "option \"sink.x\": the first word of its key is kdirect's own"},
		{NULL, {.key = "app.first"}, "option \"app.first\" is there twice"},
		{"sink", {.key = "sink.m", .type = KD_OPT_MAP}, "option \"sink.m\": only kdirect has options of its type"},
		{"sink", {.key = "sink.s", .type = KD_OPT_START}, "option \"sink.s\": only kdirect has options of its type"},
		{"sink", {.key = "sink.s", .type = (kd_option_type) 99}, "option \"sink.s\": only kdirect has options of its type"},
		{"sink", {.key = "sink.e", .type = KD_OPT_ENUM}, "option \"sink.e\": a KD_OPT_ENUM needs values, as \"yes|no\""},
		{"sink", {.key = "sink.n", .type = KD_OPT_INT, .min = 3, .max = 2},
			"option \"sink.n\": its min, 3, is above its max, 2"},
		{"sink", {.key = "sink.n", .type = KD_OPT_INT, .min = 1, .max = 3, .default_value = "5"},
			"option \"sink.n\": its default must be a whole number from 1 to 3, not \"5\""},
		{"sink", {.key = "sink.n", .type = KD_OPT_LIMIT, .default_value = "many"},
			"option \"sink.n\": its default must be a whole number, or \"unlimited\", not \"many\""},
		{"sink", {.key = "sink.e", .type = KD_OPT_ENUM, .values = "a|b", .default_value = "c"},
			"option \"sink.e\": its default must be \"a\" or \"b\", not \"c\""},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *first = !rows[i].group ? "app.first" : strcmp(rows[i].group, "sink") == 0 ? "sink.first" : "decode.first";
		const kd_option table[] = {{.key = first, .type = KD_OPT_STRING}, rows[i].option};
		kd_error err = {0};

		cr_expect_eq(option_table_check((kd_options){table, 2}, rows[i].group, &err), KD_ECONFIG, "%s", rows[i].says);
		cr_expect_str_eq(err.message, rows[i].says);
	}
	kd_error err = {0};
	cr_expect_eq(option_table_check((kd_options){NULL, 2}, "sink", &err), KD_ECONFIG);
}
