// SPDX-License-Identifier: Apache-2.0
// The small pure pieces: clock, retry, row map, errors, buffers, tasks.
#include <criterion/criterion.h>
#include <string.h>

#include "../../lib/clock.h"
#include "../../lib/retry.h"
#include "../../lib/rowmap.h"
#include "../../lib/task.h"
#include "kdirect/job.h"

Test(clock, I6_batch_times_grow_also_when_the_clock_goes_back_or_stands_still)
{
	cr_assert_eq(kd_clock_batch_time_ms(1000, 0), 1000);
	cr_assert_eq(kd_clock_batch_time_ms(1000, 1000), 1001);
	cr_assert_eq(kd_clock_batch_time_ms(5, 1000), 1001);
}

Test(retry, doubles_up_to_ten_seconds_with_jitter_and_ends_at_its_time_out)
{
	kd_retry retry = {.random = 42};
	int64_t now_ms = 1000, wait_ms, most = 50;
	for (int i = 0; i < 12; i++) {
		cr_assert(kd_retry_again(&retry, now_ms, 3600000, &wait_ms));
		cr_assert(wait_ms >= most / 2 && wait_ms <= most, "try %d waits %ld of %ld", i, (long) wait_ms, (long) most);
		most = most * 2 < KD_RETRY_MOST_MS ? most * 2 : KD_RETRY_MOST_MS;
		now_ms += wait_ms;
	}
	cr_assert_not(kd_retry_again(&retry, 1000 + 3600000, 3600000, &wait_ms));
	kd_retry_reset(&retry);
	cr_assert(kd_retry_again(&retry, 9999999, 1000, &wait_ms), "after a success the time-out starts anew");
}

Test(retry, never_waits_past_the_time_out)
{
	kd_retry retry = {.random = 7};
	int64_t wait_ms;
	cr_assert(kd_retry_again(&retry, 0, 10, &wait_ms));
	cr_assert_leq(wait_ms, 10);
}

Test(rowmap, finds_the_offset_of_every_row_through_holes_drops_and_splits)
{
	kd_rowmap map = {0};
	const struct { int64_t offset; uint32_t rows; } records[] = {{100, 1}, {101, 1}, {102, 0}, {103, 1}, {200, 3},
		{201, 1}, {202, 1}, {300, 2}};
	int64_t expected[32], n = 0;
	for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
		cr_assert(kd_rowmap_add(&map, records[i].offset, records[i].rows));
		for (uint32_t k = 0; k < records[i].rows; k++)
			expected[++n] = records[i].offset;
	}
	cr_assert_eq(map.rows, n);
	for (int64_t row = 1; row <= n; row++)
		cr_assert_eq(kd_rowmap_offset(&map, row), expected[row], "row %ld", (long) row);
	cr_assert_eq(kd_rowmap_offset(&map, 0), -1);
	cr_assert_eq(kd_rowmap_offset(&map, n + 1), -1);
	kd_rowmap_done(&map);
}

Test(rowmap, a_dense_range_is_one_run)
{
	kd_rowmap map = {0};
	for (int64_t i = 0; i < 100000; i++)
		cr_assert(kd_rowmap_add(&map, 5000 + i, 1));
	cr_assert_eq(map.n, 1);
	cr_assert_eq(kd_rowmap_offset(&map, 77777), 5000 + 77776);
	kd_rowmap_done(&map);
}

Test(error, the_first_error_wins_and_is_one_line)
{
	kd_error err = {0};
	cr_assert_eq(kd_error_set(&err, KD_ESINK, KD_REPLAY, "could not %s:\nbad\n", "copy"), KD_ESINK);
	kd_error_set(&err, KD_EBROKER, KD_RETRY, "later");
	cr_assert_str_eq(err.message, "could not copy: bad");
	cr_assert_eq(err.action, KD_REPLAY);
	kd_error_prefix(&err, "orders/%d", 3);
	cr_assert_str_eq(err.message, "orders/3: could not copy: bad");
}

Test(error, exit_codes_are_those_of_the_command_line)
{
	const struct { kd_code code; kd_action action; int status; } rows[] = {{KD_OK, KD_STOP, 0}, {KD_ESTOPPED, KD_STOP, 0},
		{KD_ECONFIG, KD_STOP, 2}, {KD_EFENCED, KD_STOP, 3}, {KD_EBROKER, KD_RETRY, 4}, {KD_ESINK, KD_RESOLVE, 4},
		{KD_ERECORD, KD_STOP, 1}, {KD_ELOSS, KD_STOP, 1}, {KD_ETARGET, KD_STOP, 1}, {KD_ELEDGER, KD_STOP, 1},
		{KD_EBUSY, KD_RETRY, 4}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		kd_error err = {.code = rows[i].code, .action = rows[i].action};
		cr_expect_eq(kd_exit_code(rows[i].code, &err), rows[i].status, "%s", kd_code_name(rows[i].code));
	}
}

Test(buf, grows_and_keeps_what_it_holds)
{
	kd_buf buf = {0};
	for (int i = 0; i < 10000; i++)
		cr_assert(kd_buf_printf(&buf, "%d,", i));
	cr_assert(kd_buf_append(&buf, "", 1));
	cr_assert_eq(strncmp(buf.data, "0,1,2,3,", 8), 0);
	cr_assert_str_eq(buf.data + buf.size - 6, "9999,");
	cr_assert_null(kd_buf_reserve(&buf, SIZE_MAX / 2));
	kd_buf_done(&buf);
	cr_assert_null(buf.data);
}

Test(task, gaps_survive_a_reset_and_rows_do_not)
{
	kd_batch_partition id = {.topic = "t", .range = {10, 20}};
	kd_task *task = kd_task_new(&id);
	cr_assert(kd_task_add_gap(task, (kd_range) {12, 14}, "bad record", "me@here"));
	cr_assert(kd_rowmap_add(&task->map, 10, 1));
	task->result.records = 1;
	task->next_offset = 15;
	kd_task_reset(task);
	cr_assert_eq(task->result.records, 0);
	cr_assert_eq(task->next_offset, 10);
	cr_assert_eq(task->result.n_gaps, 1);
	cr_assert(kd_task_in_gap(task, 13));
	cr_assert_not(kd_task_in_gap(task, 14));
	kd_task_free(task);
}

Test(task, a_refused_record_is_named_with_the_way_out)
{
	kd_batch_partition id = {.topic = "orders", .partition = 3, .range = {10, 20}};
	kd_task *task = kd_task_new(&id);
	kd_error err = {0};
	kd_error_set(&err, KD_ERECORD, KD_STOP, "column \"qty\": invalid input syntax for type integer");
	kd_task_refuse_record(task, 17, &err);
	cr_assert_not_null(strstr(err.message, "could not deliver orders/3@17: column \"qty\""));
	cr_assert_not_null(strstr(err.message, "kdirect skip JOB orders/3@17 --reason TEXT"));
	kd_error_clear(&err);
	task->program = "redactor";
	kd_error_set(&err, KD_ERECORD, KD_STOP, "too long");
	kd_task_refuse_record(task, 17, &err);
	cr_assert_not_null(strstr(err.message, "give this record up: redactor skip JOB orders/3@17 --reason TEXT"));
	kd_task_free(task);
}
