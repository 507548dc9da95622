// SPDX-License-Identifier: Apache-2.0
// file_settle: finished files go where readers see them, and what nobody will finish goes away.
//
// After the commit point nothing but renames is left to do, and anybody may do them: the ledger has the names.  A rename
// that was done before is not found in tmp/ and not done again.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_sink.h"

/* ---- places ---- */

kd_code file_place(const file_sink *sink, const kd_batch_partition *entry, const char *table, char **ret_place,
	kd_error *err)
{
	kd_buf place = {0};
	bool ok = file_template_expand(&sink->folders, entry, table ? table : sink->shape.table, &place) &&
		file_name(&place, entry, table, file_shape_extension(&sink->shape)) && kd_buf_append(&place, "", 1);
	if (!ok) {
		kd_buf_done(&place);
		return file_no_memory(err);
	}
	*ret_place = place.data;
	return KD_OK;
}

/* Where folders cannot be fsynced they need not be. */
kd_code file_sync_folder(const char *path, file_phase phase, kd_error *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP);
	kd_code code = ok ? KD_OK : file_error_set(err, errno, phase, "could not fsync folder \"%s\"", path);
	if (fd >= 0)
		close(fd);
	return code;
}

/* The folder that path is in.  One that was there before and cannot be read is no one's who writes here. */
static kd_code sync_parent(char *path, bool made, file_phase phase, kd_error *err)
{
	char *slash = strrchr(path, '/');
	char *name = slash ? slash : path;
	char first = *name;
	kd_code code = KD_OK;
	*name = '\0';
	const char *parent = slash == path ? "/" : *path ? path : ".";
	if (made || access(parent, R_OK) == 0)
		code = file_sync_folder(parent, phase, err);
	*name = first;
	return code;
}

/* path up to `slash`, which is at its end again afterwards. */
static kd_code make_one(char *path, char *slash, bool known, file_phase phase, kd_error *err)
{
	kd_code code = KD_OK;
	*slash = '\0';
	bool made = mkdir(path, 0777) == 0;
	if (!made && errno != EEXIST)
		code = file_error_set(err, errno, phase, "could not make folder \"%s\"", path);
	else if (made || !known)
		code = sync_parent(path, made, phase, err);
	*slash = '/';
	return code;
}

/* Where a folder is remembered. */
static char **slot_of(file_sink *sink, const char *path, size_t size)
{
	uint32_t hash = 2166136261u;
	for (size_t i = 0; i < size; i++)
		hash = (hash ^ (unsigned char) path[i]) * 16777619u;
	return &sink->known[hash % FILE_KNOWN];
}

static bool is_known(file_sink *sink, const char *path, size_t size)
{
	pthread_mutex_lock(&sink->lock);
	const char *one = *slot_of(sink, path, size);
	bool known = one && strlen(one) == size && memcmp(one, path, size) == 0;
	pthread_mutex_unlock(&sink->lock);
	return known;
}

static void remember(file_sink *sink, const char *path, size_t size)
{
	pthread_mutex_lock(&sink->lock);
	char **slot = slot_of(sink, path, size);
	free(*slot);
	*slot = strndup(path, size); /* without memory it is fsynced again */
	pthread_mutex_unlock(&sink->lock);
}

/* A folder that is there was perhaps made by somebody who has not come to fsync its name, or could not: a file in it
 * would count, and be lost with it when the power fails.  So it is fsynced here, once. */
kd_code file_make_folder(file_sink *sink, const char *base, const char *place, file_phase phase, kd_error *err)
{
	char *path;
	kd_code code = KD_OK;
	if (asprintf(&path, "%s/%s", base, place) < 0)
		return file_error_set(err, ENOMEM, phase, "could not make a folder");
	size_t size = (size_t) (strrchr(path, '/') - path);
	bool known = is_known(sink, path, size);
	char *slash = path + strlen(base);
	while (!code && (slash = strchr(slash + 1, '/')))
		code = make_one(path, slash, known, phase, err);
	if (!code && !known)
		remember(sink, path, size);
	free(path);
	return code;
}

kd_code file_put_in_place(const file_sink *sink, const char *tmp, const char *place, file_phase phase, kd_error *err)
{
	char *from = NULL, *to = NULL;
	if (asprintf(&from, "%s/%s", sink->tmp_dir, tmp) < 0 || asprintf(&to, "%s/%s", sink->path, place) < 0) {
		free(from);
		return file_error_set(err, ENOMEM, phase, "could not rename a file");
	}
	kd_code code = KD_OK;
	if (rename(from, to) != 0)
		code = file_error_set(err, errno, phase, "could not rename \"%s\" to \"%s\"", from, to);
	*strrchr(to, '/') = '\0';
	if (!code)
		code = file_sync_folder(to, phase, err);
	free(from);
	free(to);
	return code;
}

/* ---- notes ---- */

char *file_note(const file_out *out, size_t n)
{
	json_t *note = json_array();
	bool ok = note;
	for (size_t i = 0; ok && i < n; i++)
		if (out[i].path)
			ok = json_array_append_new(note, json_pack("[s, s]", out[i].name, out[i].place)) == 0;
	char *text = ok ? journal_text(note) : NULL;
	json_decref(note);
	return text;
}

bool file_note_each(const char *text, file_note_fn *fn, void *opaque)
{
	bool more = true, no_memory = false;
	json_t *note = text ? journal_load(text, strlen(text), &no_memory) : NULL;
	for (size_t i = 0; more && i < json_array_size(note); i++) {
		json_t *pair = json_array_get(note, i);
		const char *tmp = json_string_value(json_array_get(pair, 0)), *place = json_string_value(json_array_get(pair, 1));
		more = !tmp || !place || fn(opaque, tmp, place);
	}
	json_decref(note);
	return !no_memory;
}

/* ---- tmp/ ---- */

typedef struct wanted {
	const char *tmp;
	bool found;
	char *place; /* where it belongs, copied */
} wanted;

static bool find_place(void *opaque, const char *tmp, const char *place)
{
	wanted *w = opaque;
	if (strcmp(tmp, w->tmp) != 0)
		return true;
	w->found = true;
	w->place = strdup(place);
	return false;
}

/* The place of a file in tmp/ that was committed; the caller frees it; NULL: it was not.  False: no memory to know it. */
static bool place_of(const journal *j, const char *tmp, char **ret_place)
{
	wanted w = {.tmp = tmp};
	file_identifier id;
	const char *job = NULL;
	bool read = true;
	for (size_t i = 0; !job && journal_job_at(j, i); i++)
		if (file_name_read(tmp, journal_job_at(j, i), &id))
			job = journal_job_at(j, i);
	kd_batch_row row;
	const char *note;
	if (job && journal_batch(j, job, id.partition_index, id.batch_time_ms, &row, &note) &&
		row.state == KD_BATCH_COMMITTED)
		read = file_note_each(note, find_place, &w);
	*ret_place = w.place;
	return read && (w.place || !w.found);
}

kd_code file_settle(file_sink *sink, kd_error *err)
{
	DIR *dir = opendir(sink->tmp_dir);
	kd_code code = KD_OK;
	if (!dir)
		return file_error_set(err, errno, FILE_IN_LEDGER, "could not read \"%s\"", sink->tmp_dir);
	for (struct dirent *file; !code && (file = file_next(dir));) {
		char *place = NULL;
		if (*file->d_name != '.' && !place_of(sink->ledger.journal, file->d_name, &place))
			code = file_error_set(err, ENOMEM, FILE_IN_LEDGER, "could not finish the commit of \"%s\"", file->d_name);
		if (!place)
			continue;
		code = file_make_folder(sink, sink->path, place, FILE_IN_LEDGER, err);
		if (!code)
			code = file_put_in_place(sink, file->d_name, place, FILE_IN_LEDGER, err);
		if (!code)
			kd_log(sink->log, KD_LOG_INFO, 0, "finished the commit of \"%s\": it is in place now", place);
		free(place);
	}
	if (!code && errno != 0)
		code = file_error_set(err, errno, FILE_IN_LEDGER, "could not read \"%s\"", sink->tmp_dir);
	closedir(dir);
	atomic_store(&sink->unsettled, code != KD_OK);
	return code;
}

static void sweep_tmp(file_sink *sink, const journal *j, const char *job)
{
	DIR *dir = opendir(sink->tmp_dir);
	file_identifier id;
	for (struct dirent *file; dir && (file = readdir(dir));) {
		char *place;
		if (*file->d_name == '.' || !file_name_read(file->d_name, job, &id))
			continue;
		if (place_of(j, file->d_name, &place) && !place)
			(void) unlinkat(dirfd(dir), file->d_name, 0);
		free(place);
	}
	if (dir)
		closedir(dir);
}

/* ---- files that the ledger does not know ---- */

/* Beyond its segment's position: an older copy of the ledger was put back, and its offsets will land again under other
 * names.  What is below the position is left to the audit. */
static bool is_orphan(const journal *j, const char *job, const char *name)
{
	file_identifier id;
	kd_batch_row row;
	const char *note;
	if (!file_name_read(name, job, &id))
		return false;
	const kd_segment *segment = journal_segment(j, job, id.partition_index);
	if (segment && id.range.from < segment->committed_until)
		return false;
	return !journal_batch(j, job, id.partition_index, id.batch_time_ms, &row, &note) ||
		row.state != KD_BATCH_COMMITTED;
}

static const char *name_of(const char *place)
{
	const char *slash = strrchr(place, '/');
	return slash ? slash + 1 : place;
}

static kd_code move_away(const file_sink *sink, const char *place, kd_error *err)
{
	char *from = NULL, *to = NULL, *folder = NULL;
	kd_code code = KD_OK;
	if (asprintf(&from, "%s/%s", sink->path, place) < 0 || asprintf(&folder, "%s/orphans", sink->dir) < 0 ||
		asprintf(&to, "%s/%s", folder, name_of(place)) < 0)
		code = file_no_memory(err);
	else if ((mkdir(folder, 0777) != 0 && errno != EEXIST) || rename(from, to) != 0)
		code = file_error_set(err, errno, FILE_IN_LEDGER, "could not move \"%s\" to \"%s\"", from, folder);
	free(from);
	free(to);
	free(folder);
	return code;
}

kd_code file_refuse_strangers(const file_sink *sink, const char *job, kd_error *err)
{
	file_list list;
	file_identifier id;
	kd_code code = file_list_target(sink, &list, err);
	for (size_t i = 0; i < list.n && !code; i++)
		if (file_name_read(name_of(list.place[i]), job, &id))
			code = kd_error_set(err, KD_ETARGET, KD_STOP,
				"could not begin job \"%s\": \"%s/%s\" is a file of a job of this name, and the ledger in \"%s\" knows "
				"nothing of it; put the ledger back, or move the job's files away", job, sink->path, list.place[i], sink->dir);
	file_list_done(&list);
	return code;
}

kd_code file_sweep(file_sink *sink, const journal *j, const char *job, kd_error *err)
{
	file_list list;
	size_t n = 0;
	sweep_tmp(sink, j, job);
	kd_code code = file_list_target(sink, &list, err);
	for (size_t i = 0; i < list.n && !code; i++)
		if (is_orphan(j, job, name_of(list.place[i]))) {
			code = move_away(sink, list.place[i], err);
			n += code == KD_OK;
		}
	if (n > 0)
		kd_log(sink->log, KD_LOG_WARN, 0, "moved %zu files to \"%s/orphans\": the ledger does not know them, and their "
			"offsets will land again; was an older copy of it put back?", n, sink->dir);
	file_list_done(&list);
	return code;
}
