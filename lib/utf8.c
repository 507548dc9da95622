// SPDX-License-Identifier: Apache-2.0
// utf8: see the header.  The rules are those of RFC 3629, which PostgreSQL follows.
#include "utf8.h"

#include "kdirect/json.h"

static bool continues(const unsigned char *p)
{
	return (*p & 0xC0) == 0x80;
}

size_t kd_utf8_length(const unsigned char *p, const unsigned char *end)
{
	size_t left = (size_t) (end - p);
	if (p[0] >= 0xC2 && p[0] <= 0xDF)
		return left >= 2 && continues(p + 1) ? 2 : 0;
	if (p[0] >= 0xE0 && p[0] <= 0xEF) {
		if (left < 3 || !continues(p + 1) || !continues(p + 2))
			return 0;
		bool overlong = p[0] == 0xE0 && p[1] < 0xA0;
		bool surrogate = p[0] == 0xED && p[1] > 0x9F;
		return overlong || surrogate ? 0 : 3;
	}
	if (p[0] >= 0xF0 && p[0] <= 0xF4) {
		if (left < 4 || !continues(p + 1) || !continues(p + 2) || !continues(p + 3))
			return 0;
		bool overlong = p[0] == 0xF0 && p[1] < 0x90;
		bool too_large = p[0] == 0xF4 && p[1] > 0x8F;
		return overlong || too_large ? 0 : 4;
	}
	return 0;
}

bool kd_utf8_is_text(const void *bytes, size_t size, size_t *ret_at)
{
	const unsigned char *begin = bytes, *p = begin, *end = begin + size;
	while (p < end) {
		if (end - p >= 8) {
			uint64_t word = kd_load8(p);
			if (!((word & KD_BYTES(0x80)) | kd_zero_bytes(word))) {
				p += 8;
				continue;
			}
		}
		size_t length = *p == 0 ? 0 : *p < 0x80 ? 1 : kd_utf8_length(p, end);
		if (length == 0) {
			if (ret_at)
				*ret_at = (size_t) (p - begin);
			return false;
		}
		p += length;
	}
	return true;
}

char *kd_utf8_put(char *to, uint32_t code)
{
	if (code < 0x80) {
		*to++ = (char) code;
	} else if (code < 0x800) {
		*to++ = (char) (0xC0 | code >> 6);
		*to++ = (char) (0x80 | (code & 0x3F));
	} else if (code < 0x10000) {
		*to++ = (char) (0xE0 | code >> 12);
		*to++ = (char) (0x80 | (code >> 6 & 0x3F));
		*to++ = (char) (0x80 | (code & 0x3F));
	} else {
		*to++ = (char) (0xF0 | code >> 18);
		*to++ = (char) (0x80 | (code >> 12 & 0x3F));
		*to++ = (char) (0x80 | (code >> 6 & 0x3F));
		*to++ = (char) (0x80 | (code & 0x3F));
	}
	return to;
}
