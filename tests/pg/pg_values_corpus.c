/* SPDX-License-Identifier: Apache-2.0 */
/* The corpus: lists and cross products of what is known to be odd, and random changes to it. */
#include "pg_values_corpus.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define N(array) (sizeof(array) / sizeof *(array))
#define MUTATIONS 500

void corpus_add(corpus *set, const char *text, size_t size)
{
	set->document = realloc(set->document, (set->n + 1) * sizeof *set->document);
	char *copy = malloc(size + 1);
	kt_check(set->document && copy, "no memory");
	memcpy(copy, text, size);
	copy[size] = '\0';
	set->document[set->n++] = (document) {copy, size};
}

void corpus_free(corpus *set)
{
	for (size_t i = 0; i < set->n; i++)
		free(set->document[i].text);
	free(set->document);
	*set = (corpus) {0};
}

static void add_format(corpus *set, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add_format(corpus *set, const char *format, ...)
{
	char *text;
	va_list args;
	va_start(args, format);
	int size = vasprintf(&text, format, args);
	va_end(args);
	kt_check(size >= 0, "no memory");
	corpus_add(set, text, (size_t) size);
	free(text);
}

/* {"c":VALUE} */
static void add_value(corpus *set, const char *value, size_t size)
{
	char *text = malloc(size + 16);
	kt_check(text != NULL, "no memory");
	memcpy(text, "{\"c\":", 5);
	memcpy(text + 5, value, size);
	text[5 + size] = '}';
	corpus_add(set, text, size + 6);
	free(text);
}

static void add_values(corpus *set, const char *const *values, size_t n)
{
	for (size_t i = 0; i < n; i++)
		add_value(set, values[i], strlen(values[i]));
}

/* The same as a JSON string. */
static void add_strings(corpus *set, const char *const *values, size_t n)
{
	for (size_t i = 0; i < n; i++)
		add_format(set, "{\"c\":\"%s\"}", values[i]);
}

static const char *const integers[] = {"0", "1", "7", "42", "99", "100", "9999", "10000", "32767", "32768", "32769",
	"16777216", "16777217", "2147483647", "2147483648", "2147483649", "9007199254740992", "9007199254740993",
	"99999999999999999", "999999999999999999", "1000000000000000000", "9223372036854775807", "9223372036854775808",
	"9223372036854775809", "18446744073709551616", "123456789012345678901234567890"};
static const char *const fractions[] = {"", ".0", ".5", ".05", ".10", ".005", ".995", ".123456789", ".999999999999",
	".00000000000000000001"};
static const char *const exponents[] = {"", "e0", "e1", "E+2", "e-1", "e-7", "e4", "e5", "e20", "e22", "e23", "e37",
	"e38", "e39", "e-37", "e-38", "e-45", "e-46", "e-47", "e99", "e307", "e308", "e309", "e-307", "e-323", "e-324",
	"e-325", "e399", "e400", "e401", "e1000", "e-1000", "e131071", "e131072", "e-16383", "e-16384", "e99999999",
	"e-99999999", "e99999999999", "e007", "e-0"};

static void add_numbers(corpus *set)
{
	for (size_t i = 0; i < N(integers); i++)
		for (size_t f = 0; f < N(fractions); f++)
			for (int negative = 0; negative < 2; negative++)
				if (f < 3 || (i + f) % 3 == 0)
					add_format(set, (i + f) % 5 ? "{\"c\":%s%s%s}" : "{\"c\":\"%s%s%s\"}", negative ? "-" : "",
						integers[i], fractions[f]);
	for (size_t e = 0; e < N(exponents); e++)
		for (size_t i = 0; i < 4; i++) {
			static const char *const mantissas[] = {"1", "-0.0", "1.7976931348623157", "4.9406564584124654"};
			add_format(set, "{\"c\":%s%s}", mantissas[i], exponents[e]);
			if (i == 0)
				add_format(set, "{\"c\":\"%s%s\"}", mantissas[i], exponents[e]);
		}
	static const char *const special[] = {"3.4028235e38", "3.4028236e38", "1.17549435e-38", "1.4e-45", "7e-46",
		"2.2250738585072011e-308", "2.2250738585072014e-308", "4.9e-324", "2.4e-324", "0.1", "0.2", "0.3", "1.1",
		"8.5e-5", "0.000001", "33554433", "16777217.5", "5e-324", "1e23", "8.41e21", "9.5e-3", "123456.789e3",
		"179769313486231570814527423731704356798070567525844996598917476803157260780028538760589558632766878"};
	add_values(set, special, N(special));
	add_strings(set, special, N(special));
	for (int digits = 90; digits < 110; digits++) {
		add_format(set, "{\"c\":%0*d}", digits, 0);
		add_format(set, "{\"c\":1%0*d}", digits, 7);
		add_format(set, "{\"c\":0.%0*d}", digits, 7);
	}
}

/* What PostgreSQL's input functions read or refuse in a string. */
static void add_words(corpus *set)
{
	static const char *const words[] = {"", " ", "  5", "5  ", "\\t5\\n", "+5", "-5", "--5", "+-5", "007", "-0", "-00",
		".5", "5.", "-.5", "1_000", "1,000", "0x1F", "0b11", "0o17", "0x1p3", "1e", "e5", "1e+", "1.5.5", "1 2", "5a",
		"NaN", "nan", "-NaN", "inf", "+inf", "-inf", "Infinity", "-Infinity", "infinity", "INFINITY", "infinit",
		"true", "TRUE", "True", "tru", "t", "T", "f", "fals", "false", "yes", "y", "no", "n", "on", "off", "of", "o",
		"1", "0", "2", "10", " true ", "truee", "null", "NULL", "\\u0035", "5\\u0000", "\\u0661", "٥", "five",
		"1e5", "1E5", "1.0", "1.5", "-1.5", "2.5", "3.5", "99999", "$5", "5%%", "'5'", "1d", "1f", "1L"};
	add_strings(set, words, N(words));
	static const char *const tokens[] = {"true", "false", "null", "True", "NULL", "nul", "truex", "NaN", "Infinity",
		"+1",
		".5", "5.", "01", "-01", "-", "--1", "1e", "1e+", "0x1", "1_0", "1 2", "'x'", "x", "", " ", "1,", ",1", "\"a",
		"\"a\"b", "\"a\"\"b\"", "\"a\" \"b\"", "1\"a\"", "//x", "/*x*/1", "-0", "-0.0", "0.0", "-1", "1.", "1.e5",
		"1.0e",
		"\xEF\xBB\xBF" "1", "\xC2\xA0" "1", "\f1", "\v1", "1\r\n", "\t1", "undefined", "0e5", "0E-5", "-0e-3", "٥"};
	add_values(set, tokens, N(tokens));
}

static void add_dates(corpus *set)
{
	static const char *const dates[] = {"2026-01-01", "2026-1-1", "2026-02-28", "2026-02-29", "2024-02-29",
		"1900-02-29",
		"2000-02-29", "2026-02-30", "2026-04-31", "2026-12-31", "2026-13-01", "2026-00-10", "2026-01-00", "2026-01-32",
		"0001-01-01", "0000-01-01", "9999-12-31", "10000-01-01", "294276-12-31", "294277-01-01", "-0001-01-01",
		"0044-03-15 BC", "4714-11-24 BC", "4715-01-01 BC", "20260101", "2026.01.01", "2026/01/02", "01/02/2026",
		"Jan 2 2026", "2-Jan-2026", "January 8, 1999", "2026-001", "2026-W01-1", "26-01-01", "1970-01-01", "1969-12-31",
		"1999-12-31", "2000-01-01", "1582-10-10", "infinity", "-infinity", "epoch", "today junk", " 2026-01-01 ",
		"2026-01-01x", "J2451545", "2026-01", "2026", "5874897-12-31", "5874898-01-01"};
	static const char *const times[] = {"00:00:00", "23:59:59", "23:59:60", "24:00:00", "24:00:01", "25:00:00",
		"12:34:56.7", "12:34:56.123456", "12:34:56.1234565", "12:34:56.9999999", "12:34:56.", "12:34", "1234", "123456",
		"1:2:3", "12:60:00", "12:34:61", "12:34:56.123.4", "04:05 AM", "04:05:06 pm", "12:34:56,5", "12.34.56",
		"00:00:00.000000", "23:59:59.999999", "23:59:59.9999999", "12:34:56-08", "-01:00:00", "allballs"};
	static const char *const zones[] = {"", "Z", "z", "+00", "-00", "+02", "+02:00", "+0200", "-11:30", "+15:59", "+15",
		"+16:00", "+24:00", "+02:60", "+2", "+2:00", " +02:00", " UTC", "UTC", " Europe/Berlin", " EST", "+02:00:30",
		"+02:", "+", "-", "Z+02", "ZZ", " Z", " BC", "+0230", "-1530", "+020", "+123456", " utc", "GMT", "foo"};
	add_strings(set, dates, N(dates));
	add_strings(set, times, N(times));
	for (size_t t = 0; t < N(times); t++) {
		add_format(set, "{\"c\":\"2026-03-29T%s\"}", times[t]);
		add_format(set, "{\"c\":\"2026-03-29 %sZ\"}", times[t]);
	}
	for (size_t z = 0; z < N(zones); z++) {
		add_format(set, "{\"c\":\"2026-03-29T01:30:00%s\"}", zones[z]);
		add_format(set, "{\"c\":\"2026-03-29 01:30:00.25%s\"}", zones[z]);
		add_format(set, "{\"c\":\"01:30:00%s\"}", zones[z]);
	}
	for (size_t d = 0; d < N(dates); d++)
		add_format(set, "{\"c\":\"%sT12:00:00Z\"}", dates[d]);
	static const char *const rest[] = {"2026-01-01  12:00:00", "2026-01-01t12:00:00Z", "2026-01-01T12:00:00Z ",
		" 2026-01-01T12:00:00Z", "2026-01-01T12:00:00.000000Z", "2026-01-01T12:00:00.0000005Z", "2026-01-01_12:00:00",
		"2026-01-01T", "2026-01-01 Z", "0001-01-01T00:00:00+15:59", "9999-12-31T23:59:59.999999-15:59",
		"4714-11-24 00:00:00+00 BC", "4714-11-23 23:59:59 BC", "294276-12-31 23:59:59", "2026-01-01\\u002012:00:00",
		"2026-01-01T12:00:00\\u005A", "1767225600000", "1767225600"};
	add_strings(set, rest, N(rest));
	static const char *const tokens[] = {"1767225600000", "20260101", "123456", "2451545"};
	add_values(set, tokens, N(tokens));
}

static void add_texts(corpus *set)
{
	static const char *const texts[] = {"a", "abc", "abcde", "abcdef", "abcde ", "abcde  ", "a    ", "      ", "é",
		"éééé",
		"ééééé", "éééééé", "日本語", "😀", "😀😀😀😀😀😀", "\\\"", "\\\\", "\\/", "\\b\\f\\n\\r\\t", "\\u0041", "\\u00e9",
		"\\u20AC", "\\uD83D\\uDE00", "\\ud83d\\ude00x", "\\ud83d", "\\ude00", "\\ud83dx", "\\ud83d\\n",
		"\\ud83d\\ud83d",
		"\\ud83d\\u0041", "\\u0000", "a\\u0000b", "\\u0001", "\\u001f", "\\u007f", "\x7F", "\\u0080", "\\uFFFF",
		"\\uFFFE",
		"\\u12", "\\u12G4", "\\u", "\\", "\\x", "\\U0041", "\\'", "\\0", "\\v", "\\a", "a\tb", "a\nb", "a\x01" "b",
		"\xC2\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xED\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
		"\xEF\xBF\xBF", "\xF0\x80\x80\x80", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF", "\xF4\x90\x80\x80",
		"\xF5\x80\x80\x80",
		"\xFF", "\xFE", "\x80", "\xBF", "\xC3", "\xE2\x82", "\xF0\x9F\x98", "a\xC3", "\xC3(", "{\\\"a\\\":1}", "[1,2]",
		/* bytea */
		"\\\\x", "\\\\x00ff", "\\\\x00FF", "\\\\xfF", "\\\\x0", "\\\\xzz", "\\\\x 00 ff ", "\\\\x00 f", "\\\\X41",
		"\\\\000", "\\\\101", "\\\\400", "\\\\1", "\\\\\\\\", "\\\\", "a\\\\b", "\\u005cx41", "\\\\\\u007841",
		"\\\\x\\u0034" "1",
		/* uuid */
		"123e4567-e89b-12d3-a456-426614174000", "123E4567-E89B-12D3-A456-426614174000",
		"{123e4567-e89b-12d3-a456-426614174000}", "123e4567e89b12d3a456426614174000",
		"123e-4567-e89b-12d3-a456-4266-1417-4000", "123e4567-e89b-12d3-a456-42661417400",
		"123e4567-e89b-12d3-a456-4266141740000", "g23e4567-e89b-12d3-a456-426614174000",
		" 123e4567-e89b-12d3-a456-426614174000", "123e4567 e89b 12d3 a456 426614174000",
		"123e4567-e89b-12d3-a456426614174000-", "00000000-0000-0000-0000-000000000000"};
	add_strings(set, texts, N(texts));
	/* Every length and place around the scanner's steps of eight bytes. */
	for (int size = 1; size <= 20; size++)
		for (int at = 0; at < size; at++) {
			static const char *const odd[] = {"\\n", "é", "\\u00e9", "\xFF", "\x1F"};
			char text[64];
			memset(text, 'a', sizeof text);
			const char *insert = odd[(size + at) % (int) N(odd)];
			add_format(set, "{\"c\":\"%.*s%s%.*s\"}", at, text, insert, size - at, text);
		}
	for (size_t size = 100; size <= 1000000; size *= 10) {
		char *text = malloc(size + 3);
		kt_check(text != NULL, "no memory");
		memset(text, 'x', size + 2);
		text[0] = text[size + 1] = '"';
		add_value(set, text, size + 2);
		free(text);
	}
	add_value(set, "\"a\0b\"", 5);
	add_value(set, "\0", 1);
}

static void add_nested(corpus *set)
{
	static const char *const values[] = {"{}", "[]", "[ ]", "{ }", "[1, 2,3 ]",
		"{\"a\": [true,null,{\"b\":\"c\"}] }", "[1,]",
		"[,1]", "[1 2]", "[1", "1]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{,}", "{a:1}", "{\"a\" 1}",
		"{\"a\":1 \"b\":2}",
		"{\"a\":1,\"a\":2}", "{1:2}", "[\"\\u0000\"]", "{\"\\u0000\":1}", "[\"\\ud83d\"]", "[\"\xFF\"]",
		"[\"a\x01\"]", "[1e400]",
		"[1e131071]", "[1e131072]", "[1e99999]", "[1e-16384]", "[1e-99999]", "[\"\\/\\u0041\\u00e9\"]",
		"[[[[[[]]]]]]", "[}", "{]",
		"[{]}", "{\"a\":[}]", "[true,false,null,nul]", "[\"a\",\n\t\"b\"\r]", "[-]", "[01]", "[1.]", "[NaN]",
		"[\"\\x\"]",
		"{\"b\":1,\"a\":2,\"bb\":3,\"\":4}", "[0.10, -0, 1E+2, 100000000000000000000000.000]", "\"\\u0031\"",
		"[\"\\\\x\"]"};
	add_values(set, values, N(values));
	static const size_t depths[] = {10, 198, 199, 200, 201, 202, 1000, 20000, 70000};
	for (size_t i = 0; i < N(depths); i++) {
		char *text = malloc(2 * depths[i]);
		kt_check(text != NULL, "no memory");
		memset(text, '[', depths[i]);
		memset(text + depths[i], ']', depths[i]);
		add_value(set, text, 2 * depths[i]);
		add_value(set, text, 2 * depths[i] - 1);
		free(text);
	}
}

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* A byte of some document is replaced, removed or doubled. */
static void add_mutations(corpus *set, uint64_t seed)
{
	static const char bytes[] = "\"\\{}[]:,.-+eE0195tfnu \n\tTZ/x\xC3\x80";
	uint64_t state = seed ? seed : 1;
	size_t n = set->n;
	for (int i = 0; i < MUTATIONS; i++) {
		const document *origin = &set->document[next_random(&state) % n];
		if (origin->size > 1000)
			continue;
		char text[1024];
		size_t at = next_random(&state) % origin->size, size = origin->size;
		memcpy(text, origin->text, size);
		switch (next_random(&state) % 3) {
		case 0:
			text[at] = bytes[next_random(&state) % (sizeof bytes - 1)];
			break;
		case 1:
			memmove(text + at, text + at + 1, --size - at);
			break;
		default:
			memmove(text + at + 1, text + at, size++ - at);
		}
		corpus_add(set, text, size);
	}
}

void corpus_of_values(corpus *ret, uint64_t seed)
{
	*ret = (corpus) {0};
	add_numbers(ret);
	add_words(ret);
	add_dates(ret);
	add_texts(ret);
	add_nested(ret);
	add_mutations(ret, seed);
}

void corpus_of_documents(corpus *ret)
{
	static const char *const documents[] = {"", " ", "{}", " { } ", "{}x", "{} {}", "{},", "[]", "[{\"c\":1}]", "1",
		"\"c\"",
		"null", "true", "{", "}", "{\"c\"", "{\"c\":", "{\"c\":1", "{\"c\":1}}", "{\"c\":1]", "{\"c\":1,}",
		"{,\"c\":1}",
		"{\"c\":1,\"c\":2}", "{\"c\":\"x\",\"c\":2}", "{\"c\":2,\"c\":\"x\"}", "{\"c\":1,\"c\":null}",
		"{\"c\":null,\"c\":1}",
		"{\"\\u0063\":5}", "{\"c\":1,\"\\u0063\":5}", "{\"\\u0063\":5,\"c\":1}", "{\"C\":1}", "{\"c \":1}", "{\"\":1}",
		"{\"other\":1}", "{\"other\":{\"c\":1}}", "{\"c\":1,\"other\":[1,2,{\"c\":3}]}",
		"{\"other\":\"\\u0000\",\"c\":1}",
		"{\"other\":\"\\ud800\",\"c\":1}", "{\"c\":1,\"other\":nul}", "{\"c\":1,\"o\\u0000\":2}",
		"{\"c\":1,\"\\ud83d\":2}",
		"{\"c\":1,\"o\":\"\xFF\"}", "{\"c\":1,\"\xFF\":1}", "{\"c\":1,\"o\":\"\x01\"}", "{\"c\":1,\"o\":1e999999}",
		"{\"c\":1,\"o\":[1e999999]}", "\xEF\xBB\xBF{\"c\":1}", "\n\r\t {\"c\"\n:\t1\r} \n", "{\"c\":1}\v",
		"\f{\"c\":1}",
		"{'c':1}", "{c:1}", "{\"c\":1;}", "{\"c\"=1}", "{\"c\":1 \"d\":2}", "{\"c\":1,\"d\"}", "{\"c\":1,2}",
		"{\"c\":01}",
		"{\"kafka_offset\":7,\"c\":1}", "// {}\n{\"c\":1}", "{\"c\":\"\\ud83d\\ude00\"}",
		"{\"\\ud83d\\ude00\":1,\"c\":2}",
		"{\"c\":1,\"é\":2}", "{\"c\":1,\"\\u00e9\":2}"};
	*ret = (corpus) {0};
	for (size_t i = 0; i < N(documents); i++)
		corpus_add(ret, documents[i], strlen(documents[i]));
	corpus_add(ret, "{\"c\":1}\0", 8);
	corpus_add(ret, "{\"c\":1,\"\0\":1}", 13);
	corpus_add(ret, "\0", 1);
}
