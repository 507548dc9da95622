/* SPDX-License-Identifier: Apache-2.0 */
/* file_sink: rows as files in folders, for whoever reads folders: Spark, Hive, DuckDB, a shell.  This header is what the
 * files of this folder share.
 *
 * Theory of operation.  A batch partition's rows are one file (one a table), named by the identifier: a repetition
 * makes the same file under the same name (the recipe of Spark's guide for idempotent output).  Everything of kdirect's
 * own is below PATH/_kdirect, which readers of such folders skip:
 *
 *     ledger.jsonl   the ledger: sinks/journal's lines, a step a line (file_ledger.c)
 *     lock           flock: held for a step of the ledger, and for the commit point, never while rows are written
 *     claims         a byte a segment: who writes rows of it; a courtesy, nothing rests on it
 *     tmp/           files that are being written
 *     orphans/       files that the ledger does not know, moved out of the readers' sight
 *
 * The steps of a data transaction, and what a crash leaves behind each of them:
 *
 *     begin      claims the segment; asks the ledger.                               nothing
 *     write      to a file in tmp/ that no other attempt can have.                  a file in tmp/, removed by take-over
 *     commit     1 fsync it, and tmp/.                                              the same
 *                2 lock; is it still mine, and at `from`?  Append position and identifier, with the files' names, to the
 *                  ledger; fsync.  This is the commit point (I9).                   see 3
 *                3 rename into place; fsync the folders; unlock.                    take-over and every session finish
 *                                                                                   3 for what was committed
 *     abort      removes the files in tmp/.
 *
 * So a reader of the folders sees a file as a whole or not at all, and every committed one once (I1, I2).  Whoever froze
 * while writing rows blocks nobody for longer than FILE_WAIT_MS: his successor takes over, and he misses at 2 (I7).
 * Whoever froze within a step of the ledger holds the lock, and is named (file_holder.c).
 *
 * All jobs of one path share its ledger.  flock must work: local file systems, and NFS 4 where it is not mounted
 * nolock; not what only looks like a file system. */
#ifndef KD_FILE_SINK_H
#define KD_FILE_SINK_H

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include <kdirect/sink.h>

#include "../journal/journal.h"
#include "file_error.h"
#include "file_name.h"
#include "file_out.h"

#define FILE_WAIT_MS 2500 /* how long somebody else's lock or claim is waited for */
#define FILE_KNOWN 64     /* folders that are remembered */

/* ---- the shape of rows ---- */

typedef enum file_format { FILE_JSONL, FILE_CSV } file_format;

typedef enum file_source {
	FILE_FROM_FIELD, /* a top-level JSON field of the column's name */
	FILE_FROM_TOPIC,
	FILE_FROM_PARTITION,
	FILE_FROM_OFFSET,
	FILE_FROM_TIMESTAMP,
	FILE_FROM_KEY,
	FILE_FROM_HEADERS
} file_source;

typedef struct file_column {
	const char *name; /* the configuration's */
	file_source source;
} file_column;

typedef struct file_shape {
	file_format format;
	file_compression compression;
	bool raw;       /* layout */
	bool skip_null; /* sink.null_value */
	file_column *columns; /* CSV's */
	size_t n_columns;
	const char *table;         /* what {table} stands for where a record names none */
	const char **tables;       /* sink.tables */
	size_t n_tables;
	char *header; /* CSV's first line; NULL: none */
} file_shape;

kd_code file_shape_init(file_shape *shape, const kd_config *config, kd_error *err) KD_CHECK;
void file_shape_done(file_shape *shape);
bool file_shape_has_offsets(const file_shape *shape);
/* "jsonl.gz" */
const char *file_shape_extension(const file_shape *shape);

/* An encoded row is this and its bytes.  Native byte order: rows never leave the process. */
typedef struct file_row {
	uint32_t table; /* 0: the sink's own, else 1 + the index in sink.tables */
	uint32_t size;
} file_row;

/* ---- the ledger's file: file_ledger.c ---- */

typedef struct file_ledger {
	const kd_logger *log;
	char *path, *dir;
	int fd; /* -1: not open */
	bool writable;    /* fd is */
	journal *journal; /* what the file says up to `size` */
	off_t size;
	size_t steps, lines; /* read so far; a step is a line of the file and has lines of the journal */
	char tail[16];       /* the last bytes before size: is it still the file that was read? */
	bool known;          /* there was a ledger: its absence is no beginning */
	bool news;           /* the last refresh found what somebody else has written */
} file_ledger;

bool file_ledger_init(file_ledger *ledger, const char *dir, const kd_logger *log) KD_CHECK;
void file_ledger_done(file_ledger *ledger);
/* Reads what was added, or all where it is another file.  Under the lock (write): cuts off a torn last line, makes the
 * file where it never was.  Without it: a file that is not there is an empty ledger.  After an error it begins anew. */
kd_code file_ledger_refresh(file_ledger *ledger, bool write, kd_error *err) KD_CHECK;
/* Under the lock, after a refresh: makes the step durable and applies it, all or nothing.  phase: of the transaction that
 * fails where nothing was written. */
kd_code file_ledger_append(file_ledger *ledger, journal_step *step, file_phase phase, kd_error *err) KD_CHECK;

/* ---- the sink and its sessions: file_sink.c ---- */

struct file_session;

typedef struct file_sink {
	const kd_logger *log;
	char *path, *dir, *tmp_dir; /* dir: path/_kdirect */
	bool read_only;
	file_shape shape;
	file_template folders;
	kd_sink_info info;
	char *target, *identity, *summary;
	journal_target journal_target;

	pthread_mutex_t lock; /* of holder and of known */
	pthread_cond_t freed;
	struct file_session *holder; /* whose turn it is; NULL: nobody's */
	char *known[FILE_KNOWN]; /* folders whose names are durable, some of them: file_settle.c */
	/* the holder's: */
	int lock_fd;
	file_ledger ledger;
	/* anybody's: */
	atomic_bool unsettled; /* committed files may still be in tmp/: somebody's who died since */
	atomic_uint_fast64_t attempts;
} file_sink;

typedef struct file_session {
	file_sink *sink;
	atomic_bool interrupted; /* by any thread, for good */
	int claims_fd;           /* -1: not open */
	/* the data transaction */
	bool in_data;
	char *job, *topic;
	kd_owner me;
	kd_batch_partition entry; /* its strings are the copies above */
	file_out *out;            /* one a table, made by the first row; 1 + n_tables of them */
	int64_t rows;
	bool in_doubt;            /* the commit point may have been reached: the files may count */
	/* the snapshot */
	bool snapshot;
	file_ledger view;
	struct file_list *list; /* what the folders hold, read once */
} file_session;

/* ---- the lock: file_lock.c ---- */

/* The session's turn, the lock of the path, the ledger as it is now, and nothing left unsettled.  KD_EBUSY, RETRY names
 * who has the lock. */
kd_code file_lock(file_session *session, kd_error *err) KD_CHECK;
void file_unlock(file_session *session);
/* The turn alone: to look at the sink's ledger without the lock. */
kd_code file_take_turn(file_session *session, kd_error *err) KD_CHECK;
void file_give_up_turn(file_session *session);
/* Claims one segment (index >= 0) or all of a job (-1); waits for others for FILE_WAIT_MS at most, then goes on without.
 * KD_ESTOPPED where the session was interrupted. */
kd_code file_claim(file_session *session, const char *job, int32_t index, kd_error *err) KD_CHECK;
void file_unclaim(file_session *session);
void file_interrupt(void *session);

int64_t file_now_ms(void);
kd_code file_no_memory(kd_error *err);

/* ---- who holds the lock: file_holder.c ---- */

/* Who has the flock of this file, and what ends it. */
void file_holder_describe(int lock_fd, const journal *j, char *ret_who, size_t size);

/* ---- files into place: file_settle.c ---- */

/* Where a batch partition's file of a table goes. */
kd_code file_place(const file_sink *sink, const kd_batch_partition *entry, const char *table, char **ret_place,
	kd_error *err) KD_CHECK;
kd_code file_sync_folder(const char *path, file_phase phase, kd_error *err) KD_CHECK;
/* mkdir -p of the folder of base/place (what is before its last slash), each of them durable, whoever has made it. */
kd_code file_make_folder(file_sink *sink, const char *base, const char *place, file_phase phase, kd_error *err) KD_CHECK;
/* Renames tmp/tmp to path/place and makes it durable. */
kd_code file_put_in_place(const file_sink *sink, const char *tmp, const char *place, file_phase phase,
	kd_error *err) KD_CHECK;
/* Under the lock: puts what is committed in place. */
kd_code file_settle(file_sink *sink, kd_error *err) KD_CHECK;
/* Before the first take-over of a job: KD_ETARGET, STOP where there are files of it already.  A ledger that was lost is no
 * beginning: everything would land again. */
kd_code file_refuse_strangers(const file_sink *sink, const char *job, kd_error *err) KD_CHECK;
/* After a take-over: removes the job's other files in tmp/, and moves what is in the readers' sight and beyond the
 * ledger (an older copy of it was put back) to orphans/. */
kd_code file_sweep(file_sink *sink, const journal *j, const char *job, kd_error *err) KD_CHECK;

/* A commit's note: its files, as [["name in tmp", "place"], ...]; NULL without memory. */
char *file_note(const file_out *out, size_t n);
typedef bool file_note_fn(void *opaque, const char *tmp, const char *place);
/* Calls fn for each file of a note (NULL: of none), until it says false.  False: there was no memory to read it. */
bool file_note_each(const char *note, file_note_fn *fn, void *opaque);

/* ---- what the folders hold: file_list.c ---- */

typedef struct file_list {
	char **place; /* below path, ascending */
	size_t n, capacity;
} file_list;

/* All files that readers of the target's tables see: below the first folder of each, where that is always the same, else
 * below path.  Ascending, each once.  Empty after an error. */
kd_code file_list_target(const file_sink *sink, file_list *ret_list, kd_error *err) KD_CHECK;
void file_list_done(file_list *list);
/* readdir; after NULL errno is 0 at the end, else why there is no more. */
struct dirent *file_next(DIR *dir);

/* ---- the slots, one file a group ---- */

kd_code file_take_over(void *session, const kd_take_over *request, kd_ledger_image *ret_image, kd_error *err);
kd_code file_add_partitions(void *session, const kd_owner *me, const char *job, const kd_new_partition *partitions,
	size_t n, kd_cas *ret_cas, kd_segment *ret_segments, kd_error *err);
kd_code file_append_plan(void *session, const kd_owner *me, const kd_batch_partition *entries, size_t n,
	kd_cas *ret_cas, kd_error *err);
kd_code file_withdraw(void *session, const kd_owner *me, const kd_batch_partition *entry, kd_cas *ret_cas,
	kd_error *err);
kd_code file_reread(void *session, kd_reread_kind kind, const kd_batch_partition *entries, size_t n,
	kd_reread *ret_rows, kd_error *err);
kd_code file_verify(void *session, const char *job, kd_segment *ret_segments, size_t n, size_t *ret_n, kd_error *err);
kd_code file_prune(void *session, const kd_owner *me, const char *job, int64_t keep_days, int64_t *ret_removed,
	bool *ret_more, kd_error *err);

kd_code file_begin(void *session, const kd_owner *me, const kd_batch_partition *entry, kd_cas *ret_cas, kd_error *err);
kd_code file_write(void *session, const void *bytes, size_t size, kd_error *err);
kd_code file_commit(void *session, const kd_batch_result *result, kd_durability *ret_durability, kd_error *err);
void file_abort(void *session);

kd_code file_encoder_open(void *sink, void **ret_encoder, kd_error *err);
void file_encoder_close(void *encoder);
kd_code file_encode(void *encoder, const kd_batch_partition *batch, const kd_record *record, kd_buf *out,
	uint32_t *ret_rows, kd_error *err);
kd_code file_flush(void *encoder, const kd_batch_partition *batch, kd_buf *out, kd_error *err);

kd_code file_snapshot_begin(void *session, kd_error *err);
void file_snapshot_end(void *session);
kd_code file_read_ledger(void *session, const char *job, const kd_ledger_view *view, kd_error *err);
kd_code file_scan_offsets(void *session, const char *topic, int32_t partition, kd_range range,
	bool (*row)(void *opaque, int64_t offset), void *opaque, kd_error *err);
kd_code file_owner_alive(void *session, const char *job, char *ret_who, size_t size, kd_error *err);

kd_code file_check(const kd_sink_context *context, kd_finding_fn *report, void *opaque, kd_error *err);
kd_code file_ddl(const kd_sink_context *context, kd_buf *out, kd_error *err);

#endif
