/* SPDX-License-Identifier: Apache-2.0 */
/* range_arg: see range_arg.h. */
#include "range_arg.h"

#include <string.h>

/* Reads digits at *at and moves behind them; false where there are none or too many. */
static bool number(const char **at, int64_t max, int64_t *ret)
{
	int64_t n = 0;
	const char *first = *at;

	for (; **at >= '0' && **at <= '9'; (*at)++) {
		int digit = **at - '0';

		if (n > (max - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	*ret = n;
	return *at > first;
}

static bool is_topic_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
		   c == '-';
}

/* Parses at text and says where it ended. */
static bool parse_at(const char *text, struct range_arg *ret, const char **ret_end, const char **ret_why)
{
	const char *at = text;
	int64_t partition;
	size_t size;

	while (is_topic_char(*at))
		at++;
	size = (size_t) (at - text);
	*ret_why = "a topic of 1 to 249 of a-z A-Z 0-9 . _ - comes first, then /PARTITION";
	if (size == 0 || size >= TOPIC_SIZE || *at++ != '/')
		return false;
	memcpy(ret->topic, text, size);
	ret->topic[size] = '\0';
	*ret_why = "the partition must be a number, followed by @OFFSET";
	if (!number(&at, INT32_MAX, &partition) || *at++ != '@')
		return false;
	ret->partition = (int32_t) partition;
	*ret_why = "the offset must be a number";
	if (!number(&at, INT64_MAX - 1, &ret->range.from))
		return false;
	ret->range.until = ret->range.from + 1;
	*ret_why = "the offset behind .. must be a number";
	*ret_end = at;
	if (at[0] == '.' && at[1] == '.') {
		at += 2;
		if (!number(&at, INT64_MAX, &ret->range.until))
			return false;
		*ret_end = at;
	}
	return true;
}

bool range_arg_parse(const char *text, struct range_arg *ret, const char **ret_why)
{
	const char *end;

	if (!parse_at(text, ret, &end, ret_why))
		return false;
	*ret_why = "nothing may follow the offsets";
	if (*end)
		return false;
	*ret_why = "the range is empty: UNTIL is the first offset that is not in it";
	return ret->range.until > ret->range.from;
}

bool range_arg_find(const char *message, struct range_arg *ret)
{
	const char *end, *why;

	for (const char *at = message; *at; at++) {
		if (!is_topic_char(*at))
			continue;
		if (parse_at(at, ret, &end, &why))
			return ret->range.until > ret->range.from;
		while (is_topic_char(at[1]))
			at++;
	}
	return false;
}

bool partitions_valid(const char *list)
{
	const char *at = list;
	int64_t first, last;

	do {
		if (!number(&at, INT32_MAX, &first))
			return false;
		last = first;
		if (*at == '-' && (at++, !number(&at, INT32_MAX, &last)))
			return false;
		if (last < first)
			return false;
	} while (*at == ',' && at++);
	return *at == '\0';
}

bool partitions_hold(const char *list, int32_t partition)
{
	int64_t first, last;

	if (!list)
		return true;
	for (const char *at = list; number(&at, INT32_MAX, &first); at += *at == ',') {
		last = first;
		if (*at == '-' && (at++, !number(&at, INT32_MAX, &last)))
			return false;
		if (partition >= first && partition <= last)
			return true;
	}
	return false;
}
