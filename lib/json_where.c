/* SPDX-License-Identifier: Apache-2.0 */
/* json_where: see json_where.h. */
#include "json_where.h"

#include <string.h>

#include "kdirect/json.h"

size_t kd_json_skip_space(const char *text, size_t size, size_t at)
{
	while (at < size && (text[at] == ' ' || text[at] == '\t' || text[at] == '\n' || text[at] == '\r'))
		at++;
	return at;
}

/* The offset behind the string whose opening quote is at `at`. */
static size_t skip_string(const char *text, size_t size, size_t at)
{
	for (at++; at < size && text[at] != '"'; at++)
		if (text[at] == '\\')
			at++;
	return at < size ? at + 1 : size;
}

/* The offset behind the object or array whose opening bracket is at `at`. */
static size_t skip_nested(const char *text, size_t size, size_t at)
{
	size_t depth = 0;

	while (at < size) {
		char c = text[at];

		if (c == '"') {
			at = skip_string(text, size, at);
			continue;
		}
		at++;
		if (c == '{' || c == '[')
			depth++;
		else if ((c == '}' || c == ']') && --depth == 0)
			break;
	}
	return at;
}

/* The offset behind the value at `at`. */
static size_t skip_value(const char *text, size_t size, size_t at)
{
	if (at >= size)
		return size;
	if (text[at] == '"')
		return skip_string(text, size, at);
	if (text[at] == '{' || text[at] == '[')
		return skip_nested(text, size, at);
	while (at < size && text[at] && !strchr(" \t\r\n,]}", text[at]))
		at++;
	return at;
}

bool kd_json_next(const char *text, size_t size, size_t *state, kd_json_member *ret_member)
{
	kd_json_member member = {0};
	size_t at = kd_json_skip_space(text, size, *state);

	/* An opening bracket stands before the first member, a comma before every other one. */
	if (at >= size || !text[at] || !strchr("{[,", text[at]))
		return false;
	at = kd_json_skip_space(text, size, at + 1);
	if (at >= size || text[at] == '}' || text[at] == ']')
		return false;

	size_t first = at;
	at = skip_value(text, size, at);
	size_t behind = kd_json_skip_space(text, size, at);
	if (behind < size && text[behind] == ':') {
		member.key = first;
		member.key_size = at - first;
		first = kd_json_skip_space(text, size, behind + 1);
		at = skip_value(text, size, first);
	}
	if (at <= first)
		return false;
	member.value = first;
	member.value_size = at - first;
	*state = at;
	*ret_member = member;
	return true;
}

void kd_json_advance(const char *text, size_t size, kd_json_place *place, size_t at)
{
	for (; place->at < at && place->at < size; place->at++) {
		if (text[place->at] == '\n') {
			place->line++;
			place->column = 1;
		} else if (((unsigned char) text[place->at] & 0xc0) != 0x80) {
			place->column++;
		}
	}
}

/* Text that jansson refused without a word, or that is JSON: for one of its own limits, or for want of memory. */
static bool is_refused_for_memory(const char *text, size_t size, size_t flags, const json_error_t *err)
{
	kd_json json;
	kd_json_value value;
	size_t first = kd_json_skip_space(text, size, 0);

	if (!*err->text)
		return true;
	if (!(flags & JSON_DECODE_ANY) && (first == size || (text[first] != '{' && text[first] != '[')))
		return false;
	switch (json_error_code(err)) {
	case json_error_numeric_overflow:
	case json_error_stack_overflow:
	case json_error_duplicate_key:
	case json_error_null_byte_in_key:
		return false;
	default:
		return kd_json_whole(&json, text, size, &value);
	}
}

/* jansson leaves out a byte of a string or number without a word where its buffer cannot grow, and calls other failures
 * a wrong token.  So a text is read twice: what comes out the same was read as it stands. */
json_t *kd_json_load(const char *text, size_t size, size_t flags, json_error_t *ret_err, bool *ret_no_memory)
{
	json_error_t err = {0};
	json_t *first = json_loadb(text, size, flags, &err);
	json_t *second = first ? json_loadb(text, size, flags, NULL) : NULL;

	*ret_no_memory = first ? !second || !json_equal(first, second) : is_refused_for_memory(text, size, flags, &err);
	json_decref(second);
	if (ret_err)
		*ret_err = err;
	if (!*ret_no_memory)
		return first;
	json_decref(first);
	return NULL;
}
