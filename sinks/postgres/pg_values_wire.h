/* SPDX-License-Identifier: Apache-2.0 */
/* pg_values_wire: PostgreSQL's byte order, and the pieces every binary COPY field is made of. */
#ifndef PG_VALUES_WIRE_H
#define PG_VALUES_WIRE_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline char *pg_put16(char *to, uint16_t value)
{
	value = htobe16(value);
	memcpy(to, &value, sizeof value);
	return to + sizeof value;
}

static inline char *pg_put32(char *to, uint32_t value)
{
	value = htobe32(value);
	memcpy(to, &value, sizeof value);
	return to + sizeof value;
}

static inline char *pg_put64(char *to, uint64_t value)
{
	value = htobe64(value);
	memcpy(to, &value, sizeof value);
	return to + sizeof value;
}

static inline uint16_t pg_get16(const char *from)
{
	uint16_t value;
	memcpy(&value, from, sizeof value);
	return be16toh(value);
}

static inline uint32_t pg_get32(const char *from)
{
	uint32_t value;
	memcpy(&value, from, sizeof value);
	return be32toh(value);
}

/* The whole field: its length, then its bytes. */
static inline char *pg_put_bytes(char *to, const void *bytes, size_t size)
{
	to = pg_put32(to, (uint32_t) size);
	if (size)
		memcpy(to, bytes, size);
	return to + size;
}

static inline char *pg_put_null(char *to)
{
	return pg_put32(to, UINT32_MAX);
}

#endif
