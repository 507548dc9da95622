/* SPDX-License-Identifier: Apache-2.0 */
/* witness: a checksum of a record, kept in the ledger beside a position: when another record stands at the witness's
 * offset later, the log is not the same one any more. */
#ifndef KD_WITNESS_H
#define KD_WITNESS_H

#include <stddef.h>
#include <stdint.h>

#include "kdirect/error.h"

/* CRC-32C (Castagnoli) over length and bytes of key, then of value; each length is 8 bytes, least significant first,
 * all ones for NULL, so that NULL, empty, and bytes moved between key and value all differ.  Stored in ledgers: never
 * to change. */
KD_API uint32_t kd_witness_checksum(const void *key, size_t key_size, const void *value, size_t value_size);

#endif
