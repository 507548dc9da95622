/* SPDX-License-Identifier: Apache-2.0 */
/* parts: see parts.h. */
#include "parts.h"

#include "program.h"

/* The i-th of an array that ends with NULL, or is NULL. */
#define NTH(array, i) nth((const void *const *) (array), i)

static const void *nth(const void *const *array, size_t i)
{
	for (size_t k = 0; array && array[k]; k++)
		if (k == i)
			return array[k];
	return NULL;
}

const kd_sink_ops *program_sink(size_t i)
{
	return NTH(program_connector()->parts.sinks, i);
}

const kd_decoder_ops *program_decoder(size_t i)
{
	return NTH(program_connector()->parts.decoders, i);
}

const kd_transform_ops *program_transform(size_t i)
{
	return NTH(program_connector()->parts.transforms, i);
}
