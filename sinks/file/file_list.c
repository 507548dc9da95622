// SPDX-License-Identifier: Apache-2.0
// file_list: what the folders hold, as their readers see it: no name that begins with a dot or an underscore.
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "file_sink.h"

typedef struct walk {
	const char *path;
	file_list *list;
} walk;

/* Takes place. */
static bool add(file_list *list, char *place)
{
	if (list->n == list->capacity) {
		size_t more = list->capacity ? list->capacity * 2 : 64;
		char **grown = reallocarray(list->place, more, sizeof *grown);
		if (!grown) {
			free(place);
			return false;
		}
		list->place = grown;
		list->capacity = more;
	}
	list->place[list->n++] = place;
	return true;
}

struct dirent *file_next(DIR *dir)
{
	errno = 0;
	return readdir(dir);
}

static int kind_of(DIR *dir, const struct dirent *entry)
{
	struct stat st;
	if (entry->d_type != DT_UNKNOWN && entry->d_type != DT_LNK)
		return entry->d_type;
	if (fstatat(dirfd(dir), entry->d_name, &st, 0) != 0)
		return DT_UNKNOWN; /* gone */
	return S_ISDIR(st.st_mode) ? DT_DIR : S_ISREG(st.st_mode) ? DT_REG : DT_UNKNOWN;
}

static kd_code read_folder(const walk *w, const char *folder, int depth, kd_error *err);

/* Takes place. */
static kd_code add_entry(const walk *w, int kind, char *place, int depth, kd_error *err)
{
	kd_code code = KD_OK;
	if (kind == DT_REG)
		return add(w->list, place) ? KD_OK : file_no_memory(err);
	if (kind == DT_DIR)
		code = read_folder(w, place, depth + 1, err);
	free(place);
	return code;
}

#define MOST_DEPTH 64 /* links may go round */

static kd_code read_folder(const walk *w, const char *folder, int depth, kd_error *err)
{
	char *path;
	if (depth > MOST_DEPTH)
		return KD_OK;
	if (asprintf(&path, "%s/%s", w->path, folder) < 0)
		return file_no_memory(err);
	DIR *dir = opendir(path);
	kd_code code = KD_OK;
	if (!dir && errno != ENOENT)
		code = file_error_set(err, errno, FILE_IN_LEDGER, "could not read \"%s\"", path);
	for (struct dirent *entry; dir && !code && (entry = file_next(dir));) {
		char *place;
		if (*entry->d_name == '.' || *entry->d_name == '_')
			continue;
		if (asprintf(&place, "%s%s%s", folder, *folder ? "/" : "", entry->d_name) < 0)
			code = file_no_memory(err);
		else
			code = add_entry(w, kind_of(dir, entry), place, depth, err);
	}
	if (dir && !code && errno != 0)
		code = file_error_set(err, errno, FILE_IN_LEDGER, "could not read \"%s\"", path);
	if (dir)
		closedir(dir);
	free(path);
	return code;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* A folder may have been read twice: two tables of one name. */
static void put_in_order(file_list *list)
{
	size_t n = 0;
	if (list->n > 0)
		qsort(list->place, list->n, sizeof *list->place, by_name);
	for (size_t i = 0; i < list->n; i++) {
		if (n > 0 && !strcmp(list->place[i], list->place[n - 1]))
			free(list->place[i]);
		else
			list->place[n++] = list->place[i];
	}
	list->n = n;
}

/* The first folder of each table, where it tells them apart. */
kd_code file_list_target(const file_sink *sink, file_list *ret_list, kd_error *err)
{
	const file_shape *shape = &sink->shape;
	kd_buf prefix = {0}, last = {0};
	kd_code code = KD_OK;
	*ret_list = (file_list) {0};
	for (size_t i = 0; !code && i <= shape->n_tables; i++) {
		prefix.size = 0;
		bool ok = file_template_prefix(&sink->folders, i ? shape->tables[i - 1] : shape->table, &prefix) &&
			kd_buf_append(&prefix, "", 1);
		if (!ok)
			code = file_no_memory(err);
		else if (i == 0 || strcmp(prefix.data, last.data) != 0)
			code = read_folder(&(walk) {sink->path, ret_list}, prefix.data, 0, err);
		kd_buf swapped = last;
		last = prefix;
		prefix = swapped;
	}
	kd_buf_done(&prefix);
	kd_buf_done(&last);
	if (code)
		file_list_done(ret_list);
	else
		put_in_order(ret_list);
	return code;
}

void file_list_done(file_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->place[i]);
	free(list->place);
	*list = (file_list) {0};
}
