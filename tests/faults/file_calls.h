/* SPDX-License-Identifier: Apache-2.0 */
/* System calls that fail for our own objects, below one folder: a program linked with -Wl,--wrap=open and its sisters
 * passes each of them through here.
 *
 * What came through is remembered, so that the order of things can be judged as if the power had failed at any moment
 * (file_order.c): what has to be durable before something else is done must have been fsynced, and not only written. */
#ifndef FILE_CALLS_H
#define FILE_CALLS_H

#include <stdbool.h>

typedef enum file_call {
	FILE_CALL_NONE,
	FILE_CALL_OPEN,     /* also opendir */
	FILE_CALL_CLOSE,    /* of a file */
	FILE_CALL_WRITE,
	FILE_CALL_READ,     /* also pread */
	FILE_CALL_LIST,     /* readdir */
	FILE_CALL_FSYNC,
	FILE_CALL_RENAME,
	FILE_CALL_UNLINK,   /* also unlinkat, rmdir */
	FILE_CALL_MKDIR,
	FILE_CALL_TRUNCATE,
	FILE_CALL_LOCK,
	FILE_CALL_STAT,     /* also fstat */
	FILE_CALLS
} file_call;

typedef enum file_how {
	FILE_NOT_DONE, /* it fails and nothing was done */
	FILE_DONE,     /* it was done, and fails all the same: as on a network's disk */
	FILE_TORN      /* write: half of it is written, and the next one fails */
} file_how;

typedef struct file_fault {
	file_call call;
	long nth; /* from 1; 0: none fails */
	int error;
	file_how how;
	bool for_ever; /* and all after it */
	file_call also; /* those fail from then on, too; FILE_CALL_NONE: none */
} file_fault;

const char *file_call_name(file_call call);

/* From here on the calls below the folder are counted; of the paths in it nothing is known yet to be undurable. */
void file_calls_watch(const char *folder, const file_fault *fault);
/* Watches on, with what is known, and nothing fails. */
void file_calls_go_on(const char *folder);
/* Nothing is counted and nothing fails any more. */
void file_calls_end(void);
long file_calls_made(file_call call);
long file_calls_failed(void);

/* ---- file_order.c; under the lock of file_calls.c ---- */

void file_order_begin(void);
void file_order_made(const char *path);
void file_order_written(const char *path);
void file_order_synced(const char *path, bool folder);
void file_order_renamed(const char *from, const char *to);
void file_order_removed(const char *path);
/* The first thing that was done too early, or NULL. */
const char *file_order_broken(void);

#endif
