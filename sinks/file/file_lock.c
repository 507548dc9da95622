// SPDX-License-Identifier: Apache-2.0
// file_lock: whose turn it is to change the ledger, among the sessions of this sink and among all processes.
//
// flock belongs to an open file: it ends with the process, whatever it dies of.  Waiting is asking again, so that it can
// be given up.  Claims are locks on bytes, of open files too (fcntl(2), "Open file description locks"): each session has
// its own, and they tell nobody's name, but nobody waits for them long.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "file_sink.h"

#define MOST_NAP_NS 10000000L

int64_t file_now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

kd_code file_no_memory(kd_error *err)
{
	return kd_error_set(err, KD_ENOMEM, KD_RETRY, "could not use the file sink: no memory");
}

static kd_code interrupted(const file_session *session, kd_error *err)
{
	return kd_error_set(err, KD_ESTOPPED, KD_RETRY, "could not lock \"%s\": interrupted", session->sink->dir);
}

/* ---- waiting ---- */

typedef struct patience {
	struct timespec until;
	long nap_ns;
} patience;

static patience begin_to_wait(void)
{
	patience p = {.nap_ns = 200000};
	clock_gettime(CLOCK_MONOTONIC, &p.until);
	p.until.tv_sec += FILE_WAIT_MS / 1000;
	p.until.tv_nsec += FILE_WAIT_MS % 1000 * 1000000;
	if (p.until.tv_nsec >= 1000000000) {
		p.until.tv_sec++;
		p.until.tv_nsec -= 1000000000;
	}
	return p;
}

/* False: it was long enough. */
static bool wait_a_little(patience *p)
{
	struct timespec now, nap = {0, p->nap_ns};
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (now.tv_sec > p->until.tv_sec || (now.tv_sec == p->until.tv_sec && now.tv_nsec >= p->until.tv_nsec))
		return false;
	nanosleep(&nap, NULL);
	p->nap_ns = p->nap_ns * 2 < MOST_NAP_NS ? p->nap_ns * 2 : MOST_NAP_NS;
	return true;
}

/* ---- the turn ---- */

void file_give_up_turn(file_session *session)
{
	file_sink *sink = session->sink;
	pthread_mutex_lock(&sink->lock);
	sink->holder = NULL;
	pthread_cond_broadcast(&sink->freed);
	pthread_mutex_unlock(&sink->lock);
}

kd_code file_take_turn(file_session *session, kd_error *err)
{
	file_sink *sink = session->sink;
	patience p = begin_to_wait();
	p.until.tv_sec++; /* the holder may wait for the lock as long */
	int timed = 0;
	pthread_mutex_lock(&sink->lock);
	while (sink->holder && timed != ETIMEDOUT && !atomic_load(&session->interrupted))
		timed = pthread_cond_timedwait(&sink->freed, &sink->lock, &p.until);
	bool stop = atomic_load(&session->interrupted), mine = !sink->holder && !stop;
	if (mine)
		sink->holder = session;
	pthread_mutex_unlock(&sink->lock);
	if (stop)
		return interrupted(session, err);
	if (!mine)
		return kd_error_set(err, KD_EBUSY, KD_RETRY,
			"could not use the ledger in \"%s\": another session of this job is still at it", sink->dir);
	return KD_OK;
}

void file_interrupt(void *opaque)
{
	file_session *session = opaque;
	atomic_store(&session->interrupted, true);
	pthread_mutex_lock(&session->sink->lock);
	pthread_cond_broadcast(&session->sink->freed);
	pthread_mutex_unlock(&session->sink->lock);
}

/* ---- the lock ---- */

static kd_code failed(const file_sink *sink, int number, const char *what, kd_error *err)
{
	return file_error_set(err, number, FILE_IN_LEDGER, "could not %s \"%s/lock\"", what, sink->dir);
}

static kd_code open_lock(file_sink *sink, kd_error *err)
{
	char path[4096];
	if ((size_t) snprintf(path, sizeof path, "%s/lock", sink->dir) >= sizeof path)
		return failed(sink, ENAMETOOLONG, "open", err);
	if (sink->lock_fd >= 0)
		close(sink->lock_fd);
	sink->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	return sink->lock_fd >= 0 ? KD_OK : failed(sink, errno, "open", err);
}

/* A lock on a file that the path no longer names keeps nobody out: 0, or why it is none. */
static int why_unnamed(const file_sink *sink)
{
	char path[4096];
	struct stat open_one, named;
	if (sink->lock_fd < 0)
		return ESTALE;
	if ((size_t) snprintf(path, sizeof path, "%s/lock", sink->dir) >= sizeof path)
		return ENAMETOOLONG;
	if (fstat(sink->lock_fd, &open_one) != 0 || stat(path, &named) != 0)
		return errno;
	return open_one.st_ino == named.st_ino && open_one.st_dev == named.st_dev ? 0 : ESTALE;
}

static kd_code busy(const file_sink *sink, kd_error *err)
{
	char who[512];
	file_holder_describe(sink->lock_fd, sink->ledger.journal, who, sizeof who);
	return kd_error_set(err, KD_EBUSY, KD_RETRY, "could not lock \"%s/lock\": %s", sink->dir, who);
}

static kd_code lock_path(file_session *session, kd_error *err)
{
	file_sink *sink = session->sink;
	patience p = begin_to_wait();
	kd_code code = why_unnamed(sink) == 0 ? KD_OK : open_lock(sink, err);
	while (!code) {
		bool locked = flock(sink->lock_fd, LOCK_EX | LOCK_NB) == 0;
		int number = locked ? why_unnamed(sink) : errno;
		if (locked && number == 0)
			return KD_OK;
		if (!locked && number != EWOULDBLOCK && number != EINTR)
			code = failed(sink, number, "lock", err);
		else if (atomic_load(&session->interrupted))
			code = interrupted(session, err);
		else if (!wait_a_little(&p))
			code = locked ? failed(sink, number, "lock", err) : busy(sink, err);
		else if (locked)
			code = open_lock(sink, err);
	}
	return code;
}

kd_code file_lock(file_session *session, kd_error *err)
{
	file_sink *sink = session->sink;
	if (sink->read_only)
		return kd_error_set(err, KD_EINVAL, KD_STOP, "could not write to \"%s\": it was opened to read", sink->path);
	kd_code code = file_take_turn(session, err);
	if (code)
		return code;
	code = lock_path(session, err);
	if (code) {
		file_give_up_turn(session);
		return code;
	}
	code = file_ledger_refresh(&sink->ledger, true, err);
	if (sink->ledger.news)
		atomic_store(&sink->unsettled, true);
	if (!code && atomic_load(&sink->unsettled))
		code = file_settle(sink, err);
	if (code)
		file_unlock(session);
	return code;
}

void file_unlock(file_session *session)
{
	flock(session->sink->lock_fd, LOCK_UN);
	file_give_up_turn(session);
}

/* ---- claims ---- */

#define SEGMENTS (1 << 24) /* bytes a job */

/* Two jobs of one hash wait for each other in vain, for a moment. */
static off_t first_byte(const char *job)
{
	uint32_t hash = 2166136261u;
	for (; *job; job++)
		hash = (hash ^ (unsigned char) *job) * 16777619u;
	return (off_t) (hash >> 1) * SEGMENTS;
}

static kd_code open_claims(file_session *session, kd_error *err)
{
	char path[4096];
	if (session->claims_fd >= 0)
		return KD_OK;
	if ((size_t) snprintf(path, sizeof path, "%s/claims", session->sink->dir) >= sizeof path)
		return file_error_set(err, ENAMETOOLONG, FILE_IN_LEDGER, "could not open the claims in \"%s\"", session->sink->dir);
	session->claims_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (session->claims_fd < 0)
		return file_error_set(err, errno, FILE_IN_LEDGER, "could not open \"%s\"", path);
	return KD_OK;
}

kd_code file_claim(file_session *session, const char *job, int32_t index, kd_error *err)
{
	kd_code code = open_claims(session, err);
	if (code)
		return code;
	struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET,
		.l_start = first_byte(job) + (index < 0 ? 0 : index % SEGMENTS), .l_len = index < 0 ? SEGMENTS : 1};
	patience p = begin_to_wait();
	while (fcntl(session->claims_fd, F_OFD_SETLK, &range) != 0) {
		if (atomic_load(&session->interrupted))
			return interrupted(session, err);
		if ((errno != EAGAIN && errno != EACCES) || !wait_a_little(&p))
			break;
	}
	return KD_OK;
}

void file_unclaim(file_session *session)
{
	struct flock all = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
	if (session->claims_fd >= 0)
		(void) fcntl(session->claims_fd, F_OFD_SETLK, &all);
}
