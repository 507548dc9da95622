/* SPDX-License-Identifier: Apache-2.0 */
/* split-orders: an order with its lines becomes a row of "orders" and a row of "order_lines" for each line, all in one
 * transaction: nobody ever sees an order without its lines.
 *
 *     {"id": 7, "customer": "ann", "lines": [{"sku": "a-1", "quantity": 2, "cents": 995}, ...]} */
#include <string.h>

#include <kdirect/connector.h>
#include <kdirect/sinks.h>

static kd_code bad(kd_error *err, const char *what)
{
	return kd_error_set(err, KD_ERECORD, KD_STOP, "%s", what);
}

static bool int_member(const kd_value *object, const char *wanted, int64_t *ret_number)
{
	const char *name;
	size_t size, at = 0;
	kd_value value;

	while (kd_value_member(object, &at, &name, &size, &value))
		if (size == strlen(wanted) && memcmp(name, wanted, size) == 0)
			return kd_value_int(&value, ret_number);
	return false;
}

/* The order's own row: every field but the lines, and what they come to. */
static kd_code emit_order(kd_row *row, const kd_value *lines, kd_rows *out, kd_error *err)
{
	int64_t quantity, cents, total = 0;
	size_t at = 0;
	kd_value line;

	while (kd_value_element(lines, &at, &line)) {
		if (!int_member(&line, "quantity", &quantity) || !int_member(&line, "cents", &cents))
			return bad(err, "a line without whole numbers for \"quantity\" and \"cents\"");
		total += quantity * cents;
	}
	kd_row_remove(row, "lines");
	kd_row_set_int(row, "total", total);
	return kd_emit(out, row, err);
}

/* One line's row: its own fields, and which line of which order it is. */
static kd_code emit_line(kd_row *row, int64_t order, int64_t number, const kd_value *line, kd_rows *out, kd_error *err)
{
	kd_row_clear(row);
	kd_row_set_int(row, "order_id", order);
	kd_row_set_int(row, "line", number);
	kd_row_read_object(row, line);
	kd_row_set_table(row, "public.order_lines");
	return kd_emit(out, row, err);
}

/* What was read of a row stays valid until the call ends, also when the row has become another one. */
static kd_code split(void *state, const kd_batch_partition *batch, kd_row *row, kd_rows *out, kd_error *err)
{
	kd_value id, lines, line;
	int64_t order, number = 0;
	size_t at = 0;
	kd_code code;

	(void) state, (void) batch;
	if (!kd_row_get(row, "id", &id) || !kd_value_int(&id, &order))
		return bad(err, "\"id\" is not a whole number");
	if (!kd_row_get(row, "lines", &lines) || lines.type != KD_VALUE_ARRAY)
		return bad(err, "\"lines\" is not an array");
	code = emit_order(row, &lines, out, err);
	while (!code && kd_value_element(&lines, &at, &line))
		code = emit_line(row, order, ++number, &line, out, err);
	return code;
}

static const kd_transform_ops transform = {
	.abi = KD_TRANSFORM_ABI,
	.name = "split-orders",
	.summary = "an order and its lines, into a table each",
	.apply = split,
};

int main(int argc, char **argv)
{
	static const kd_transform_ops *const transforms[] = {&transform, NULL};
	static const kd_sink_ops *const sinks[] = {&kd_postgres_sink, &kd_sqlite_sink, NULL};
	static const kd_connector connector = {
		.abi = KD_CONNECTOR_ABI,
		.name = "split-orders",
		.version = "1.0",
		.summary = "orders and their lines into two tables, in one transaction",
		.parts = {.sinks = sinks, .transforms = transforms},
	};

	return kd_connector_main(&connector, argc, argv);
}
