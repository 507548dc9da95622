/* SPDX-License-Identifier: Apache-2.0 */
/* enrich: each order gets the name and the country of its customer, from a table that is read in the same transaction
 * that the order is written in: what the order says about its customer is what the database said when it came in.
 *
 * The customer's number is the record's key.  One query serves some hundreds of records: look_up runs ahead of
 * apply. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kdirect/connector.h>
#include <kdirect/sinks.h>

struct customer {
	int64_t id;
	char *name, *country; /* NULL: a null */
};

/* The customers of the records to come, by id. */
struct customers {
	struct customer *items;
	size_t n, room;
	bool no_memory;
};

static void forget(struct customers *customers)
{
	for (size_t i = 0; i < customers->n; i++) {
		free(customers->items[i].name);
		free(customers->items[i].country);
	}
	customers->n = 0;
}

static kd_code open_customers(const kd_part_context *context, void **ret_state, kd_error *err)
{
	(void) context;
	*ret_state = calloc(1, sizeof(struct customers));
	return *ret_state ? KD_OK : kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory");
}

static void close_customers(void *state)
{
	struct customers *customers = state;

	if (!customers)
		return;
	forget(customers);
	free(customers->items);
	free(customers);
}

/* The record's key as a number. */
static bool customer_of(const kd_record *record, int64_t *ret_id)
{
	char text[24], *end;

	if (!record->key || record->key_size == 0 || record->key_size >= sizeof text)
		return false;
	memcpy(text, record->key, record->key_size);
	text[record->key_size] = '\0';
	*ret_id = strtoll(text, &end, 10);
	return *end == '\0';
}

static int by_id(const void *a, const void *b)
{
	const struct customer *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

/* One row of the answer, which comes in the order of the ids. */
static bool on_customer(void *opaque, const char *const *values, size_t n)
{
	struct customers *customers = opaque;

	(void) n;
	if (customers->n == customers->room) {
		size_t room = customers->room ? 2 * customers->room : 64;
		struct customer *items = reallocarray(customers->items, room, sizeof *items);

		if (!items)
			return !(customers->no_memory = true);
		customers->items = items;
		customers->room = room;
	}
	struct customer *item = &customers->items[customers->n++];
	*item = (struct customer){.id = strtoll(values[0], NULL, 10), .name = values[1] ? strdup(values[1]) : NULL,
		.country = values[2] ? strdup(values[2]) : NULL};
	customers->no_memory = (values[1] && !item->name) || (values[2] && !item->country);
	return !customers->no_memory;
}

/* The ids as one parameter, {1,2,3}: there is one text of SQL, however many records come. */
static kd_code look_up(void *state, const kd_batch_partition *batch, const kd_record *records, size_t n, kd_tx *tx,
	kd_error *err)
{
	static const char sql[] = "select id, name, country from public.customers where id = any($1::bigint[]) order by id";
	struct customers *customers = state;
	kd_buf ids = {0};
	bool ok = kd_buf_append(&ids, "{", 1);
	kd_code code = KD_OK;
	int64_t id;

	(void) batch;
	forget(customers);
	for (size_t i = 0; ok && i < n; i++)
		if (customer_of(&records[i], &id))
			ok = kd_buf_printf(&ids, "%s%" PRId64, ids.size > 1 ? "," : "", id);
	ok = ok && kd_buf_append(&ids, "}", 2);
	if (ok)
		code = kd_tx_query(tx, sql, (const char *const[]){ids.data}, 1, on_customer, customers, err);
	if (!code && (!ok || customers->no_memory))
		code = kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory");
	kd_buf_done(&ids);
	return code;
}

static void set_text(kd_row *row, const char *name, const char *text)
{
	if (text)
		kd_row_set_text(row, name, text, strlen(text));
	else
		kd_row_set_null(row, name);
}

static kd_code apply(void *state, const kd_batch_partition *batch, kd_row *row, kd_rows *out, kd_error *err)
{
	const struct customers *customers = state;
	const struct customer *found = NULL;
	struct customer key = {0};

	(void) batch;
	if (!customer_of(kd_row_record(row), &key.id))
		return kd_error_set(err, KD_ERECORD, KD_STOP, "the record's key is not a customer's number");
	if (customers->n > 0)
		found = bsearch(&key, customers->items, customers->n, sizeof key, by_id);
	kd_row_set_int(row, "customer", key.id);
	set_text(row, "customer_name", found ? found->name : NULL);
	set_text(row, "country", found ? found->country : NULL);
	return kd_emit(out, row, err);
}

static const kd_transform_ops transform = {
	.abi = KD_TRANSFORM_ABI,
	.name = "enrich",
	.summary = "orders with the name and country of their customer",
	.open = open_customers,
	.close = close_customers,
	.look_up = look_up,
	.apply = apply,
};

int main(int argc, char **argv)
{
	static const kd_transform_ops *const transforms[] = {&transform, NULL};
	static const kd_sink_ops *const sinks[] = {&kd_postgres_sink, NULL};
	static const kd_connector connector = {
		.abi = KD_CONNECTOR_ABI,
		.name = "enrich",
		.version = "1.0",
		.summary = "orders with what is known of their customers, into PostgreSQL",
		.parts = {.sinks = sinks, .transforms = transforms},
	};

	return kd_connector_main(&connector, argc, argv);
}
