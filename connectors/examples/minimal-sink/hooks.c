/* SPDX-License-Identifier: Apache-2.0 */
/* hooks: what kdirect-sink-conformance sees of minimal's file when it does not ask the sink, and does to it.
 *
 * Deliberately another reader than the sink's own: it takes every line that begins with R, as a person with grep would. */
#include <inttypes.h>
#include <kdirect/conformance.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static kd_code no_memory(kd_error *err)
{
	return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory");
}

/* The configuration of the test says {dir}/data. */
static kd_code open_place(const kd_conformance_place *place, void **ret_db, kd_error *err)
{
	kd_buf path = {0};
	if (!kd_buf_printf(&path, "%s/data", place->dir) || !kd_buf_append(&path, "", 1))
		return no_memory(err);
	*ret_db = path.data;
	return KD_OK;
}

/* In place; "-" is NULL. */
static const char *from_hex(char *hex, size_t *ret_size)
{
	size_t n = strlen(hex) / 2;
	if (!strcmp(hex, "-"))
		return NULL;
	for (size_t i = 0; i < n; i++) {
		char digits[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
		hex[i] = (char) strtoul(digits, NULL, 16);
	}
	*ret_size = n;
	return hex;
}

static bool take_line(char *line, kd_conformance_row_fn *fn, void *opaque)
{
	char *field[8];
	for (int i = 0; i < 8; i++)
		if (!(field[i] = strsep(&line, " \n")))
			return true;
	if (strcmp(field[0], "R") != 0)
		return true;
	kd_conformance_row row = {.topic = field[2], .partition = atoi(field[3]), .offset = strtoll(field[4], NULL, 10),
		.timestamp_ms = strtoll(field[5], NULL, 10)};
	row.key = from_hex(field[6], &row.key_size);
	row.value = from_hex(field[7], &row.value_size);
	return fn(opaque, &row);
}

/* Is the chunk that this head begins all there?  Of one that is being written a part may be seen. */
static bool is_whole(FILE *file, const char *head)
{
	struct stat st;
	return fstat(fileno(file), &st) == 0 && st.st_size - ftell(file) >= strtoll(head + 2, NULL, 16);
}

static kd_code read_rows(void *path, kd_conformance_row_fn *fn, void *opaque, kd_error *err)
{
	FILE *file = fopen(path, "r");
	char *line = NULL;
	size_t size = 0;
	if (!file)
		return kd_error_set(err, KD_EIO, KD_STOP, "could not open \"%s\"", (char *) path);
	while (getline(&line, &size, file) >= 0 && (*line != '#' || is_whole(file, line)) && take_line(line, fn, opaque))
		;
	free(line);
	fclose(file);
	return KD_OK;
}

/* ---- a backup that is played back while the sink has the file open ---- */

static kd_code copy(const char *from, const char *to, kd_error *err)
{
	FILE *in = fopen(from, "r"), *out = fopen(to, "w");
	char piece[4096];
	size_t n;
	bool ok = in && out;
	while (ok && (n = fread(piece, 1, sizeof piece, in)) > 0)
		ok = fwrite(piece, 1, n, out) == n;
	if (in)
		fclose(in);
	if (out && fclose(out) != 0)
		ok = false;
	return ok ? KD_OK : kd_error_set(err, KD_EIO, KD_STOP, "could not copy \"%s\" to \"%s\"", from, to);
}

static kd_code save(void *path, kd_error *err)
{
	char backup[512];
	snprintf(backup, sizeof backup, "%s.backup", (char *) path);
	return copy(path, backup, err);
}

static kd_code restore(void *path, kd_error *err)
{
	char backup[512];
	snprintf(backup, sizeof backup, "%s.backup", (char *) path);
	return copy(backup, path, err);
}

const kd_conformance_hooks *kd_conformance_entry(void)
{
	static const kd_conformance_hooks hooks = {.abi = KD_CONFORMANCE_ABI, .open = open_place, .close = free,
		.rows = read_rows, .save = save, .restore = restore};
	return &hooks;
}
