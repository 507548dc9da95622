// SPDX-License-Identifier: Apache-2.0
// rows: what the target holds, seen from outside: by the hook, or by a sink that is opened for this look alone and
// only reads.
#include "conformance.h"

enum { MOST = 1 << 16, PARTITIONS = 8 };

typedef struct held {
	kd_range range;
	size_t n;
	int64_t offset[MOST];
} held;

static bool hold(void *opaque, int64_t offset)
{
	held *h = opaque;
	if (offset < h->range.from || offset >= h->range.until)
		return true;
	kt_check(h->n < MOST, "the target holds more rows than any case writes");
	h->offset[h->n++] = offset;
	return true;
}

static bool hold_row(void *opaque, const kd_conformance_row *row)
{
	return hold(opaque, row->offset);
}

static void scan_all(world *w, held *h)
{
	instance *i = instance_open(w, 'r');
	expect(w->ops->info(i->sink)->has_offsets, "the rows cannot be seen: the sink has no offsets to scan, and there is no"
		" hook rows");
	MUST(w->ops->snapshot_begin(i->session, &e_));
	for (int p = 0; p < PARTITIONS; p++)
		MUST(w->ops->scan_offsets(i->session, TOPIC, p, h->range, hold, h, &e_));
	w->ops->snapshot_end(i->session);
	instance_close(i);
}

static held *look(world *w, int64_t from, int64_t until)
{
	held *h = calloc(1, sizeof *h);
	kt_check(h, "no memory");
	h->range = (kd_range) {from, until};
	if (w->hooks->rows)
		MUST(w->hooks->rows(w->db, hold_row, h, &e_));
	else
		scan_all(w, h);
	return h;
}

int64_t rows_between(world *w, int64_t from, int64_t until)
{
	held *h = look(w, from, until);
	int64_t n = (int64_t) h->n;
	free(h);
	return n;
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *) a, y = *(const int64_t *) b;
	return (x > y) - (x < y);
}

int64_t offsets_between(world *w, int64_t from, int64_t until)
{
	held *h = look(w, from, until);
	int64_t n = 0;
	qsort(h->offset, h->n, sizeof *h->offset, by_value);
	for (size_t o = 0; o < h->n; o++)
		n += o == 0 || h->offset[o] != h->offset[o - 1];
	free(h);
	return n;
}
