/* SPDX-License-Identifier: Apache-2.0 */
/* The producer's own ledger: see notes.h. */
#include "notes.h"

#include <pthread.h>
#include <stdlib.h>

#include "check.h"

struct kt_notes {
	pthread_mutex_t lock; /* of everything below */
	kt_note *note;
	size_t n;
};

kt_notes *kt_notes_new(void)
{
	kt_notes *notes = calloc(1, sizeof(*notes));

	kt_check(notes, "no memory");
	pthread_mutex_init(&notes->lock, NULL);
	return notes;
}

void kt_notes_free(kt_notes *notes)
{
	if (!notes)
		return;
	pthread_mutex_destroy(&notes->lock);
	free(notes->note);
	free(notes);
}

void kt_notes_add(kt_notes *notes, const kt_note *note)
{
	pthread_mutex_lock(&notes->lock);
	if ((notes->n & (notes->n - 1)) == 0) {
		notes->note = realloc(notes->note, (notes->n ? 2 * notes->n : 1) * sizeof(*notes->note));
		kt_check(notes->note, "no memory");
	}
	notes->note[notes->n++] = *note;
	pthread_mutex_unlock(&notes->lock);
}

/* The open ones of a writer are among the newest: whoever noted before its last end has none. */
void kt_notes_end(kt_notes *notes, const void *writer, bool committed)
{
	pthread_mutex_lock(&notes->lock);
	for (size_t i = notes->n; i-- > 0;) {
		kt_note *note = &notes->note[i];

		if (note->writer != writer)
			continue;
		if (note->state != KT_NOTE_OPEN)
			break;
		note->state = committed ? KT_NOTE_COMMITTED : KT_NOTE_ABORTED;
	}
	pthread_mutex_unlock(&notes->lock);
}

static int by_place(const void *left, const void *right)
{
	const kt_note *a = left, *b = right;

	if (a->partition != b->partition)
		return a->partition < b->partition ? -1 : 1;
	return (a->offset > b->offset) - (a->offset < b->offset);
}

const kt_note *kt_notes_sorted(kt_notes *notes, size_t *ret_n)
{
	if (notes->n)
		qsort(notes->note, notes->n, sizeof(*notes->note), by_place);
	*ret_n = notes->n;
	return notes->note;
}
