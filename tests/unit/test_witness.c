/* SPDX-License-Identifier: Apache-2.0 */
/* The checksum that ledgers keep: its values are fixed for ever. */
#include <criterion/criterion.h>

#include "witness.h"

Test(witness, is_the_crc_32c_of_lengths_and_bytes)
{
	/* Made by another implementation: crc32c(le64(3) "key" le64(5) "value"), and of two NULLs: 16 bytes of 0xff. */
	cr_assert_eq(kd_witness_checksum("key", 3, "value", 5), UINT32_C(0x10761a03));
	cr_assert_eq(kd_witness_checksum(NULL, 0, NULL, 0), UINT32_C(0xef2f4c10));
}

Test(witness, tells_null_from_empty_and_key_from_value)
{
	const uint32_t sums[] = {
		kd_witness_checksum(NULL, 0, "ab", 2), kd_witness_checksum("", 0, "ab", 2), kd_witness_checksum("a", 1, "b", 1),
		kd_witness_checksum("ab", 2, "", 0),   kd_witness_checksum("ab", 2, NULL, 0),
	};
	for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++)
		for (size_t k = 0; k < i; k++)
			cr_assert_neq(sums[i], sums[k], "%zu and %zu", i, k);
}
