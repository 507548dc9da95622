/* SPDX-License-Identifier: Apache-2.0 */
/* fold: a small table of the faults seen last, keyed by the line without its digits.  A full table gives the slot
 * told longest ago to the newcomer: what is forgotten too early is told once more, never lost. */
#include "fold.h"

#include <stdio.h>

/* FNV-1a over everything but digits. */
static uint64_t key_of(const char *line)
{
	uint64_t key = UINT64_C(14695981039346656037);

	for (const char *at = line; *at; at++)
		if (*at < '0' || *at > '9')
			key = (key ^ (unsigned char) *at) * UINT64_C(1099511628211);
	return key ? key : 1;
}

static struct fold_slot *slot_of(struct fold *fold, uint64_t key)
{
	struct fold_slot *oldest = &fold->slots[0];

	for (int i = 0; i < FOLD_SLOTS; i++) {
		struct fold_slot *slot = &fold->slots[i];

		if (slot->key == key)
			return slot;
		if (slot->told_ms < oldest->told_ms)
			oldest = slot;
	}
	*oldest = (struct fold_slot){.key = 0};
	return oldest;
}

bool fold_tell(struct fold *fold, const char *line, int tag, int64_t now_ms, int64_t *ret_left_out)
{
	uint64_t key = key_of(line);
	struct fold_slot *slot;

	*ret_left_out = 0;
	if (fold->period_ms == 0)
		return true;
	slot = slot_of(fold, key);
	if (slot->key == key && now_ms < slot->told_ms + fold->period_ms) {
		slot->left_out++;
		slot->tag = tag;
		snprintf(slot->text, sizeof slot->text, "%s", line);
		return false;
	}
	*ret_left_out = slot->left_out;
	slot->key = key;
	slot->told_ms = now_ms;
	slot->left_out = 0;
	return true;
}

struct fold_slot *fold_next(struct fold *fold, int64_t now_ms)
{
	for (int i = 0; i < FOLD_SLOTS; i++) {
		struct fold_slot *slot = &fold->slots[i];

		if (slot->left_out && now_ms - fold->period_ms >= slot->told_ms)
			return slot;
	}
	return NULL;
}
