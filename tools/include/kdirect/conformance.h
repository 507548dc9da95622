/* SPDX-License-Identifier: Apache-2.0 */
/* kdirect/conformance.h: what a sink's author may add so that kdirect-sink-conformance can look behind the sink's back.
 *
 *     kdirect-sink-conformance --set 'sink.path={dir}/data' ./mysink.so
 *
 * runs the suite that every transactional sink of kdirect passes on the sink that ./mysink.so brings (kd_plugin_entry,
 * see connector.h).  A sink that can tell its offsets (kd_sink_info.has_offsets) and keeps its state below {dir} needs
 * nothing of what follows.  Where the state is in a server, or where the rows are to be judged by somebody else than the
 * sink itself, the shared object (or a second one, --hooks) also defines kd_conformance_entry.
 *
 * Every hook is optional: NULL leaves out the cases that need it, and the program says which.  Each case runs in a
 * process of its own with a place of its own; hooks are called there, by one thread at a time, and on connections of
 * their own that they close before they return: cases fork, and a connection does not survive that. */
#ifndef KDIRECT_CONFORMANCE_H
#define KDIRECT_CONFORMANCE_H

#include <kdirect/sink.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KD_CONFORMANCE_ABI 1u

/* Where one case works, and nobody else. */
typedef struct kd_conformance_place {
	const char *dir;  /* a new empty folder, removed afterwards; {dir} in the configuration */
	const char *name; /* a new word of [a-z0-9_], fit for the name of a database or a topic; {name} there */
} kd_conformance_place;

/* One row as the target holds it, borrowed. */
typedef struct kd_conformance_row {
	const char *topic;
	int32_t partition;
	int64_t offset;
	int64_t timestamp_ms; /* -1: none */
	const void *key;      /* NULL: a null key, which an empty key is not */
	size_t key_size;
	const void *value;
	size_t value_size;
} kd_conformance_row;

/* Returns false to end the reading. */
typedef bool kd_conformance_row_fn(void *opaque, const kd_conformance_row *row);

/* `db` is what open made.  A hook that fails fills err and thereby fails the case. */
typedef struct kd_conformance_hooks {
	uint32_t abi; /* KD_CONFORMANCE_ABI */

	/* Makes what the configuration of this case names before the sink is opened: a database {name}, say.  NULL: the
	 * sink makes all by itself, and db is NULL. */
	kd_code (*open)(const kd_conformance_place *place, void **ret_db, kd_error *err);
	/* Removes it.  Not called for a case that failed or hung: names are never used again. */
	void (*close)(void *db);

	/* Every committed row of the table that {table} = "t" names, in any order, repeats kept.
	 * NULL: kd_sink_ops.scan_offsets is believed, and the content of rows is not looked at. */
	kd_code (*rows)(void *db, kd_conformance_row_fn *row, void *opaque, kd_error *err);

	/* Remembers ledger and rows as they are; makes them so again, in one step, while sessions of the sink are
	 * connected: a backup that is played back, a standby that had not got everything.
	 * NULL: {dir} is copied away and back while the sink is closed. */
	kd_code (*save)(void *db, kd_error *err);
	kd_code (*restore)(void *db, kd_error *err);

	/* From now on the target takes rows and does not keep them, without an error. */
	kd_code (*swallow)(void *db, kd_error *err);
	/* Called before the sink is opened: its table will refuse the row with this offset. */
	kd_code (*refuse)(void *db, int64_t offset, kd_error *err);
	/* The commit that holds the row with this offset takes so long, in a server that goes on with it when its client
	 * has died; and: is that one under way? */
	kd_code (*delay_commit)(void *db, int64_t offset, int ms, kd_error *err);
	bool (*commit_is_delayed)(void *db);
} kd_conformance_hooks;

/* What the shared object defines; what it returns stays valid as long as the program. */
KD_API const kd_conformance_hooks *kd_conformance_entry(void);

#ifdef __cplusplus
}
#endif
#endif
