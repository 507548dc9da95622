/* SPDX-License-Identifier: Apache-2.0 */
/* What the producer noted: the first of the judge's three ledgers (invariants.h).
 *
 * Each record that a broker acknowledged, with its place, and how its transaction ended.  Neither the oracle nor the
 * sink is asked, so a record that both lost is still missed.
 *
 *     kt_notes *notes = kt_notes_new();
 *     kt_producer *producer = kt_producer_open(NULL, NULL);
 *     kt_producer_note(producer, notes);
 *
 * Several producers may note into one, each on a thread of its own. */
#ifndef KT_NOTES_H
#define KT_NOTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum kt_note_state { KT_NOTE_OPEN, KT_NOTE_COMMITTED, KT_NOTE_ABORTED } kt_note_state;

typedef struct kt_note {
	int32_t partition;
	kt_note_state state;
	int64_t offset;
	uint64_t checksum; /* kt_checksum */
	const void *writer;
} kt_note;

typedef struct kt_notes kt_notes;

kt_notes *kt_notes_new(void);
void kt_notes_free(kt_notes *notes);

/* A record was acknowledged; an open one waits for kt_notes_end of its writer. */
void kt_notes_add(kt_notes *notes, const kt_note *note);
void kt_notes_end(kt_notes *notes, const void *writer, bool committed);

/* By partition and offset; borrowed, and nobody may note any longer. */
const kt_note *kt_notes_sorted(kt_notes *notes, size_t *ret_n);

#endif
