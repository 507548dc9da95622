/* SPDX-License-Identifier: Apache-2.0 */
/* In which order the file sink makes things durable: see file_calls.h.
 *
 *     what readers see    is renamed into place when its content and its name in tmp/ are durable, and so are the folders
 *                         that it goes to
 *     a step              counts (the ledger is fsynced) when the ledger's own name is durable: a ledger that is lost, or
 *                         an older one that is back, would land everything again */
#include "file_calls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

enum { MOST = 4096 };

typedef struct entry {
	char *path;
	bool content, name; /* durable */
} entry;

static entry entries[MOST];
static size_t n_entries;
static char first_break[1024];

void file_order_begin(void)
{
	for (size_t i = 0; i < n_entries; i++)
		free(entries[i].path);
	n_entries = 0;
	*first_break = '\0';
}

const char *file_order_broken(void)
{
	return *first_break ? first_break : NULL;
}

static void broken(const char *path, const char *what)
{
	if (!*first_break)
		snprintf(first_break, sizeof(first_break), "%s: %s", path, what);
}

static entry *find(const char *path)
{
	for (size_t i = 0; i < n_entries; i++)
		if (strcmp(entries[i].path, path) == 0)
			return &entries[i];
	return NULL;
}

void file_order_made(const char *path)
{
	entry *e = find(path);

	if (!e) {
		kt_check(n_entries < MOST, "too many files");
		e = &entries[n_entries++];
		e->path = strdup(path);
		kt_check(e->path, "no memory");
	}
	e->content = true; /* it is empty */
	e->name = false;
}

void file_order_removed(const char *path)
{
	entry *e = find(path);

	if (e) {
		free(e->path);
		*e = entries[--n_entries];
	}
}

void file_order_written(const char *path)
{
	entry *e = find(path);

	if (e)
		e->content = false;
}

static bool ends_with(const char *path, const char *end)
{
	size_t size = strlen(path), tail = strlen(end);

	return size >= tail && strcmp(path + size - tail, end) == 0;
}

static void sync_names(const char *folder)
{
	size_t size = strlen(folder);

	for (size_t i = 0; i < n_entries; i++)
		if (strncmp(entries[i].path, folder, size) == 0 && entries[i].path[size] == '/' &&
			!strchr(entries[i].path + size + 1, '/'))
			entries[i].name = true;
}

void file_order_synced(const char *path, bool folder)
{
	entry *e = find(path);

	if (folder)
		sync_names(path);
	else if (e)
		e->content = true;
	if (!folder && e && !e->name && ends_with(path, "/ledger.jsonl"))
		broken(path, "a step counts in a ledger whose name may be lost");
}

/* The folders that were made above it. */
static void must_have_folders(const char *path)
{
	for (size_t i = 0; i < n_entries; i++) {
		size_t size = strlen(entries[i].path);
		if (strncmp(path, entries[i].path, size) == 0 && path[size] == '/' && !entries[i].name)
			broken(path, "it goes to a folder that may be lost");
	}
}

void file_order_renamed(const char *from, const char *to)
{
	entry *e = find(from);

	if (strstr(from, "/_kdirect/tmp/")) {
		if (e && !e->content)
			broken(from, "it is shown before what it holds is durable");
		if (e && !e->name)
			broken(from, "it is shown before its name in tmp/ is durable");
		must_have_folders(to);
	}
	if (ends_with(to, "/ledger.jsonl") && e && !e->content)
		broken(to, "a ledger takes the old one's place before what it holds is durable");
	file_order_removed(to);
	bool content = !e || e->content;
	file_order_removed(from);
	file_order_made(to);
	find(to)->content = content;
}
