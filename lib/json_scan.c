// SPDX-License-Identifier: Apache-2.0
// json_scan: the JSON scanner; see kdirect/json.h.
//
// The functions that scan take where a token begins and give back where it ends, or NULL where it is not well-formed.
// The rules are those of PostgreSQL's lexer with escapes resolved (jsonfuncs.c asks for that): RFC 8259, and beyond it
// no \u0000 and no surrogate without its other half.
#include "kdirect/json.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "utf8.h"

#define WIDE_NUMBER 100  // digits, sign and all
#define WIDE_EXPONENT 3  // digits of the exponent

static inline const char *skip_space(const char *p, const char *end)
{
	while (p < end && (unsigned char) *p <= ' ' && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
		p++;
	return p;
}

static inline bool is_digit(char c)
{
	return (unsigned char) (c - '0') < 10;
}

// ---- strings ----

static int hex_digit(char c)
{
	if (is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// The four digits behind \u; -1 where they are not.
static int32_t hex4(const char *p)
{
	int32_t code = 0;
	for (int i = 0; i < 4; i++) {
		int digit = hex_digit(p[i]);
		if (digit < 0)
			return -1;
		code = code << 4 | digit;
	}
	return code;
}

static bool is_high_surrogate(int32_t code)
{
	return code >= 0xD800 && code <= 0xDBFF;
}

static bool is_low_surrogate(int32_t code)
{
	return code >= 0xDC00 && code <= 0xDFFF;
}

// p: behind "\u".  A pair of surrogates is one character.
static const char *scan_unicode_escape(const char *p, const char *end, int32_t *ret_code)
{
	int32_t code = end - p >= 4 ? hex4(p) : -1;
	p += 4;
	if (is_high_surrogate(code)) {
		int32_t low = end - p >= 6 && p[0] == '\\' && p[1] == 'u' ? hex4(p + 2) : -1;
		if (!is_low_surrogate(low))
			return NULL;
		code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
		p += 6;
	} else if (is_low_surrogate(code) || code <= 0) {
		return NULL;
	}
	*ret_code = code;
	return p;
}

// p: at the backslash.
static const char *scan_escape(const char *p, const char *end, uint8_t *flags)
{
	*flags |= KD_JSON_ESCAPED;
	if (end - p < 2)
		return NULL;
	if (p[1] != 'u')
		return p[1] != '\0' && strchr("\"\\/bfnrt", p[1]) ? p + 2 : NULL;
	int32_t code;
	p = scan_unicode_escape(p + 2, end, &code);
	if (p && code >= 0x80)
		*flags |= KD_JSON_NON_ASCII;
	return p;
}

// Steps over bytes that mean themselves: printable ASCII but for the quote and the backslash.
static inline const char *skip_plain(const char *p, const char *end)
{
#ifdef __SSE2__
	while (end - p >= 16) {
		// As signed bytes, control characters and all that is not ASCII lie below the space.
		const __m128i bytes = _mm_loadu_si128((const __m128i *) p);
		const __m128i odd = _mm_or_si128(_mm_cmplt_epi8(bytes, _mm_set1_epi8(' ')),
			_mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')), _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))));
		const int mask = _mm_movemask_epi8(odd);
		if (mask)
			return p + __builtin_ctz((unsigned) mask);
		p += 16;
	}
#endif
	while (end - p >= 8) {
		uint64_t word = kd_load8(p);
		uint64_t odd = (word & KD_BYTES(0x80)) | kd_zero_bytes(word ^ KD_BYTES('"')) |
			kd_zero_bytes(word ^ KD_BYTES('\\')) | kd_zero_bytes(word & KD_BYTES(0xE0));
		if (odd)
			return p + (__builtin_ctzll(odd) >> 3);
		p += 8;
	}
	while (p < end && (unsigned char) *p >= 0x20 && (unsigned char) *p < 0x80 && *p != '"' && *p != '\\')
		p++;
	return p;
}

// p: behind the opening quote; gives back where the closing one is.
static const char *scan_string(const char *p, const char *end, uint8_t *flags)
{
	for (;;) {
		p = skip_plain(p, end);
		if (p == end)
			return NULL;
		if (*p == '"')
			return p;
		if (*p == '\\') {
			p = scan_escape(p, end, flags);
			if (!p)
				return NULL;
			continue;
		}
		const unsigned char *character = (const unsigned char *) p;
		size_t length = *character < 0x80 ? 0 : kd_utf8_length(character, (const unsigned char *) end);
		if (length == 0)
			return NULL;
		*flags |= KD_JSON_NON_ASCII;
		p += length;
	}
}

// ---- the other scalars ----

static const char *scan_digits(const char *p, const char *end)
{
	const char *begin = p;
	while (p < end && is_digit(*p))
		p++;
	return p > begin ? p : NULL;
}

static const char *scan_exponent(const char *p, const char *end, uint8_t *flags)
{
	p++;
	if (p < end && (*p == '+' || *p == '-'))
		p++;
	const char *begin = p;
	p = scan_digits(p, end);
	if (p && p - begin > WIDE_EXPONENT)
		*flags |= KD_JSON_WIDE;
	return p;
}

static const char *scan_number(const char *p, const char *end, uint8_t *flags)
{
	const char *begin = p;
	if (*p == '-')
		p++;
	if (p < end && *p == '0')
		p++;
	else
		p = scan_digits(p, end);
	if (p && p < end && *p == '.')
		p = scan_digits(p + 1, end);
	if (p && p < end && (*p == 'e' || *p == 'E'))
		p = scan_exponent(p, end, flags);
	if (p && p - begin > WIDE_NUMBER)
		*flags |= KD_JSON_WIDE;
	return p;
}

static const char *scan_word(const char *p, const char *end, const char *word, size_t size)
{
	return (size_t) (end - p) >= size && memcmp(p, word, size) == 0 ? p + size : NULL;
}

static inline const char *scan_scalar(const char *p, const char *end, kd_json_value *value)
{
	value->text = p;
	switch (*p) {
	case '"':
		value->kind = KD_JSON_STRING;
		value->text = p + 1;
		p = scan_string(p + 1, end, &value->flags);
		if (!p)
			return NULL;
		value->size = (size_t) (p - value->text);
		return p + 1;
	case 't':
		value->kind = KD_JSON_TRUE;
		p = scan_word(p, end, "true", 4);
		break;
	case 'f':
		value->kind = KD_JSON_FALSE;
		p = scan_word(p, end, "false", 5);
		break;
	case 'n':
		value->kind = KD_JSON_NULL;
		p = scan_word(p, end, "null", 4);
		break;
	default:
		value->kind = KD_JSON_NUMBER;
		p = scan_number(p, end, &value->flags);
	}
	value->size = p ? (size_t) (p - value->text) : 0;
	return p;
}

// ---- containers ----

// p: where a key must begin; gives back where its value begins.
static const char *skip_key(const char *p, const char *end, uint8_t *flags)
{
	if (p == end || *p != '"')
		return NULL;
	p = scan_string(p + 1, end, flags);
	if (!p)
		return NULL;
	p = skip_space(p + 1, end);
	if (p == end || *p != ':')
		return NULL;
	return skip_space(p + 1, end);
}

static inline bool is_object(const kd_json *json, size_t level)
{
	return json->is_object[level / 64] >> (level % 64) & 1;
}

static inline void open_level(kd_json *json, size_t level, bool object)
{
	uint64_t bit = UINT64_C(1) << (level % 64);
	if (object)
		json->is_object[level / 64] |= bit;
	else
		json->is_object[level / 64] &= ~bit;
}

// p: where a value has ended within `depth` containers.  Closes those that end here; gives back where the next value
// begins, or, with depth 0, the end of the outermost.
static const char *close_levels(const kd_json *json, const char *p, size_t *depth, uint8_t *flags)
{
	while (*depth > 0) {
		bool object = is_object(json, *depth - 1);
		p = skip_space(p, json->end);
		if (p == json->end)
			return NULL;
		if (*p == ',') {
			p = skip_space(p + 1, json->end);
			return object ? skip_key(p, json->end, flags) : p;
		}
		if (*p != (object ? '}' : ']'))
			return NULL;
		p++;
		--*depth;
	}
	return p;
}

// p: at the bracket that opens it.
static const char *scan_container(kd_json *json, const char *p, uint8_t *flags)
{
	const char *end = json->end;
	size_t depth = 0;
	do {
		if (p == end)
			return NULL;
		if (*p != '{' && *p != '[') {
			kd_json_value scalar = {0};
			p = scan_scalar(p, end, &scalar);
			*flags |= scalar.flags;
		} else {
			bool object = *p == '{';
			if (depth == KD_JSON_MAX_DEPTH)
				return NULL;
			open_level(json, depth++, object);
			if (depth >= KD_JSON_DEEP_LEVELS)
				*flags |= KD_JSON_DEEP;
			p = skip_space(p + 1, end);
			if (p == end)
				return NULL;
			if (*p != (object ? '}' : ']')) {
				p = object ? skip_key(p, end, flags) : p;
				continue;
			}
			p++;
			depth--;
		}
		if (p)
			p = close_levels(json, p, &depth, flags);
	} while (p && depth > 0);
	return p;
}

static inline const char *scan_value(kd_json *json, const char *p, kd_json_value *value)
{
	value->flags = 0;
	if (p == json->end)
		return NULL;
	if (*p != '{' && *p != '[') {
		p = scan_scalar(p, json->end, value);
	} else {
		value->kind = *p == '{' ? KD_JSON_OBJECT : KD_JSON_ARRAY;
		value->text = p;
		p = scan_container(json, p, &value->flags);
		value->size = p ? (size_t) (p - value->text) : 0;
	}
	json->flags |= value->flags;
	return p;
}

// ---- the top level ----

void kd_json_open(kd_json *json, const char *text, size_t size)
{
	json->at = text;
	json->end = text + size;
	json->begun = false;
	json->flags = 0;
}

// p: behind the bracket that closes the document.
static kd_json_step finish(const kd_json *json, const char *p)
{
	return skip_space(p, json->end) == json->end ? KD_JSON_END : KD_JSON_MALFORMED;
}

// Steps to where the next key must begin; *ret_done: the object ends at p instead.
static inline const char *next_member(kd_json *json, bool *ret_done)
{
	const char *p = skip_space(json->at, json->end);
	*ret_done = false;
	if (p == json->end || *p != (json->begun ? ',' : '{')) {
		*ret_done = json->begun && p < json->end && *p == '}';
		return *ret_done ? p : NULL;
	}
	p = skip_space(p + 1, json->end);
	if (p == json->end)
		return NULL;
	if (*p == '"')
		return p;
	*ret_done = !json->begun && *p == '}';
	return *ret_done ? p : NULL;
}

// p: at the key's opening quote; gives back where the closing one is.
static inline const char *scan_key(kd_json *json, const char *p, const char *guess, size_t guess_size,
	kd_json_key *key)
{
	key->text = ++p;
	key->guessed = (size_t) (json->end - p) > guess_size && p[guess_size] == '"' && kd_same_bytes(p, guess, guess_size);
	key->escaped = false;
	if (key->guessed) {
		key->size = guess_size;
		return p + guess_size;
	}
	uint8_t flags = 0;
	p = scan_string(p, json->end, &flags);
	if (!p)
		return NULL;
	json->flags |= flags;
	key->escaped = flags & KD_JSON_ESCAPED;
	key->size = (size_t) (p - key->text);
	return p;
}

// The key that nearly every document has here, written as nearly every program does: ,"guess": and no space.
static inline bool scan_guess(kd_json *json, const char *guess, size_t guess_size, kd_json_key *key)
{
	const char *p = json->at;
	size_t left = (size_t) (json->end - p);
	if (left < 4 || guess_size > left - 4 || p[0] != (json->begun ? ',' : '{') || p[1] != '"' ||
		p[2 + guess_size] != '"' || p[3 + guess_size] != ':' || !kd_same_bytes(p + 2, guess, guess_size))
		return false;
	*key = (kd_json_key) {p + 2, guess_size, false, true};
	json->begun = true;
	json->at = skip_space(p + 4 + guess_size, json->end);
	return true;
}

kd_json_step kd_json_read_key(kd_json *json, const char *guess, size_t guess_size, kd_json_key *ret_key)
{
	if (scan_guess(json, guess, guess_size, ret_key))
		return KD_JSON_FIELD;
	bool done;
	const char *p = next_member(json, &done);
	if (!p)
		return KD_JSON_MALFORMED;
	if (done)
		return finish(json, p + 1);
	json->begun = true;
	p = scan_key(json, p, guess, guess_size, ret_key);
	if (!p)
		return KD_JSON_MALFORMED;
	p = skip_space(p + 1, json->end);
	if (p == json->end || *p != ':')
		return KD_JSON_MALFORMED;
	json->at = skip_space(p + 1, json->end);
	return KD_JSON_FIELD;
}

bool kd_json_read_value(kd_json *json, kd_json_value *ret_value)
{
	const char *p = scan_value(json, json->at, ret_value);
	json->at = p;
	return p != NULL;
}

bool kd_json_whole(kd_json *json, const char *text, size_t size, kd_json_value *ret_value)
{
	kd_json_open(json, text, size);
	const char *p = scan_value(json, skip_space(text, json->end), ret_value);
	return p && finish(json, p) == KD_JSON_END;
}

// ---- what strings mean ----

// p: at a backslash of a string that was scanned; gives back what is behind the escape.
static const char *read_escape(const char *p, const char *end, uint32_t *ret_code)
{
	static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
	if (p[1] == 'u') {
		int32_t code = 0;
		p = scan_unicode_escape(p + 2, end, &code);
		*ret_code = (uint32_t) code;
		return p;
	}
	const char *letter = strchr(letters, p[1]);
	*ret_code = letter ? (unsigned char) meanings[letter - letters] : (unsigned char) p[1];
	return p + 2;
}

// One ASCII character as escape_json writes it.
static char *spell(char *to, unsigned char c)
{
	static const char meanings[] = "\b\f\n\r\t\"\\", letters[] = "bfnrt\"\\", digits[] = "0123456789abcdef";
	const char *meaning = c ? strchr(meanings, c) : NULL;
	if (meaning) {
		*to++ = '\\';
		*to++ = letters[meaning - meanings];
	} else if (c < 0x20) {
		memcpy(to, "\\u00", 4);
		to[4] = digits[c >> 4];
		to[5] = digits[c & 15];
		to += 6;
	} else {
		*to++ = (char) c;
	}
	return to;
}

static char *translate(const char *text, size_t size, char *to, bool respell)
{
	const char *p = text, *end = text + size;
	while (p < end) {
		const char *escape = memchr(p, '\\', (size_t) (end - p));
		size_t plain = (size_t) ((escape ? escape : end) - p);
		memcpy(to, p, plain);
		to += plain;
		if (!escape)
			break;
		uint32_t code;
		p = read_escape(escape, end, &code);
		to = respell && code < 0x80 ? spell(to, (unsigned char) code) : kd_utf8_put(to, code);
	}
	return to;
}

char *kd_json_unescape(const char *text, size_t size, char *to)
{
	return translate(text, size, to, false);
}

char *kd_json_respell(const char *text, size_t size, char *to)
{
	return translate(text, size, to, true);
}

char *kd_json_spell(const char *text, size_t size, char *to)
{
	const char *p = text, *end = text + size;
	while (p < end) {
		const char *plain = p;
		p = skip_plain(p, end);
		memcpy(to, plain, (size_t) (p - plain));
		to += p - plain;
		for (; p < end && (unsigned char) *p >= 0x80; p++)
			*to++ = *p;
		if (p < end)
			to = spell(to, (unsigned char) *p++);
	}
	return to;
}
