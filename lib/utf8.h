/* SPDX-License-Identifier: Apache-2.0 */
/* utf8: UTF-8 as RFC 3629 and PostgreSQL mean it: no overlong forms, no surrogates, nothing above U+10FFFF.  Whether
 * bytes are text is asked by kd_utf8_is_text, which is public: see kdirect/json.h. */
#ifndef KD_UTF8_H
#define KD_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The length of the character at p, which is at least 0x80 there; 0 where it is not valid. */
size_t kd_utf8_length(const unsigned char *p, const unsigned char *end);

/* Appends a code point; returns the end. */
char *kd_utf8_put(char *to, uint32_t code);

#define KD_BYTES(c) (UINT64_C(0x0101010101010101) * (c))

/* Eight bytes, the first one in the lowest bits. */
static inline uint64_t kd_load8(const void *from)
{
	uint64_t word;
	memcpy(&word, from, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	return word;
}

static inline uint32_t kd_load4(const void *from)
{
	uint32_t word;
	memcpy(&word, from, sizeof word);
	return word;
}

/* memcmp for a few bytes, without the call: names are short, and there are many. */
static inline bool kd_same_bytes(const char *a, const char *b, size_t n)
{
	if (n < 4) {
		for (; n > 0 && *a == *b; n--)
			a++, b++;
		return n == 0;
	}
	if (n <= 8)
		return kd_load4(a) == kd_load4(b) && kd_load4(a + n - 4) == kd_load4(b + n - 4);
	for (; n > 8; a += 8, b += 8, n -= 8)
		if (kd_load8(a) != kd_load8(b))
			return false;
	return kd_load8(a + n - 8) == kd_load8(b + n - 8);
}

/* Non-zero where a byte is zero; its lowest set bit is at the first of them (higher ones may be false). */
static inline uint64_t kd_zero_bytes(uint64_t word)
{
	return (word - KD_BYTES(0x01)) & ~word & KD_BYTES(0x80);
}

#endif
