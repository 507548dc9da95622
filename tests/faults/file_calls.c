/* SPDX-License-Identifier: Apache-2.0 */
/* System calls below a folder, counted, failed and told to the judge of their order: see file_calls.h. */
#include "file_calls.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

/* The linker's: only a program with --wrap has them. */
#define REAL __attribute__((weak))
REAL int __real_open(const char *path, int flags, ...);
REAL int __real_close(int fd);
REAL ssize_t __real_write(int fd, const void *bytes, size_t size);
REAL ssize_t __real_read(int fd, void *bytes, size_t size);
REAL ssize_t __real_pread(int fd, void *bytes, size_t size, off_t at);
REAL int __real_fsync(int fd);
REAL int __real_rename(const char *from, const char *to);
REAL int __real_unlink(const char *path);
REAL int __real_unlinkat(int folder, const char *name, int flags);
REAL int __real_rmdir(const char *path);
REAL int __real_mkdir(const char *path, mode_t mode);
REAL int __real_ftruncate(int fd, off_t size);
REAL int __real_flock(int fd, int operation);
REAL int __real_stat(const char *path, struct stat *ret_stat);
REAL int __real_fstat(int fd, struct stat *ret_stat);
REAL DIR *__real_opendir(const char *path);
REAL struct dirent *__real_readdir(DIR *dir);
int __wrap_open(const char *path, int flags, ...);
int __wrap_close(int fd);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_read(int fd, void *bytes, size_t size);
ssize_t __wrap_pread(int fd, void *bytes, size_t size, off_t at);
int __wrap_fsync(int fd);
int __wrap_rename(const char *from, const char *to);
int __wrap_unlink(const char *path);
int __wrap_unlinkat(int folder, const char *name, int flags);
int __wrap_rmdir(const char *path);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_ftruncate(int fd, off_t size);
int __wrap_flock(int fd, int operation);
int __wrap_stat(const char *path, struct stat *ret_stat);
int __wrap_fstat(int fd, struct stat *ret_stat);
DIR *__wrap_opendir(const char *path);
struct dirent *__wrap_readdir(DIR *dir);

enum { PATH_SIZE = 4096 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_SIZE]; /* lock, as all of these; "": nothing is watched */
static file_fault fault;
static long made[FILE_CALLS], failed;
static bool torn; /* the next write fails */

const char *file_call_name(file_call call)
{
	static const char *const names[FILE_CALLS] = {"none", "open", "close", "write", "read", "readdir", "fsync", "rename",
		"unlink", "mkdir", "ftruncate", "flock", "stat"};

	return names[call];
}

/* ---- does it fail? ---- */

typedef enum verdict { MAY, MUST_NOT, IN_VAIN /* it is done, and fails */, BY_HALF } verdict;

static bool is_ours(const char *path)
{
	size_t size = strlen(root);

	return *root && strncmp(path, root, size) == 0 && (path[size] == '/' || path[size] == '\0');
}

static bool is_hit(file_call call)
{
	if (failed > 0 && fault.also == call && call != FILE_CALL_NONE)
		return true;
	return fault.call == call && fault.nth > 0 && (made[call] == fault.nth || (fault.for_ever && made[call] > fault.nth));
}

static verdict judge(file_call call)
{
	made[call]++;
	if (call == FILE_CALL_WRITE && torn) {
		torn = false;
		failed++;
		return MUST_NOT;
	}
	if (!is_hit(call))
		return MAY;
	if (call == FILE_CALL_WRITE && fault.how == FILE_TORN && failed == 0) {
		torn = true;
		return BY_HALF;
	}
	failed++;
	return fault.how == FILE_DONE ? IN_VAIN : MUST_NOT;
}

static verdict begin_path(file_call call, const char *path)
{
	pthread_mutex_lock(&lock);
	verdict v = is_ours(path) ? judge(call) : MAY;
	pthread_mutex_unlock(&lock);
	return v;
}

/* The path of a descriptor; "" where it has none. */
static const char *path_of(int fd, char *path)
{
	char link[64];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, PATH_SIZE - 1);
	path[n > 0 ? n : 0] = '\0';
	return path;
}

static verdict begin_fd(file_call call, int fd, char *path)
{
	return begin_path(call, path_of(fd, path));
}

/* What the caller gets for a call that came to this. */
static int end(verdict v, int result)
{
	if (v != MUST_NOT && v != IN_VAIN)
		return result;
	pthread_mutex_lock(&lock);
	errno = fault.error;
	pthread_mutex_unlock(&lock);
	return -1;
}

/* Tells the judge of the order what was really done. */
#define TELL(done, path, call) \
	do { \
		int error_ = errno; \
		pthread_mutex_lock(&lock); \
		if ((done) && is_ours(path)) \
			call; \
		pthread_mutex_unlock(&lock); \
		errno = error_; \
	} while (0)

/* ---- the calls ---- */

int __wrap_open(const char *path, int flags, ...)
{
	va_list args;
	va_start(args, flags);
	mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
	va_end(args);
	verdict v = begin_path(FILE_CALL_OPEN, path);
	if (v == MUST_NOT)
		return end(v, -1);
	bool anew = (flags & O_CREAT) && access(path, F_OK) != 0;
	int fd = __real_open(path, flags, mode);
	TELL(fd >= 0 && anew, path, file_order_made(path));
	if (v == IN_VAIN && fd >= 0)
		__real_close(fd);
	return end(v, fd);
}

/* Linux closes it whatever it says. */
int __wrap_close(int fd)
{
	char path[PATH_SIZE];
	verdict v = begin_fd(FILE_CALL_CLOSE, fd, path);
	int rc = __real_close(fd);
	return end(v, rc);
}

ssize_t __wrap_write(int fd, const void *bytes, size_t size)
{
	char path[PATH_SIZE];
	verdict v = begin_fd(FILE_CALL_WRITE, fd, path);
	if (v == MUST_NOT)
		return end(v, -1);
	ssize_t n = __real_write(fd, bytes, v == BY_HALF ? (size + 1) / 2 : size);
	TELL(n > 0, path, file_order_written(path));
	return v == IN_VAIN ? end(v, -1) : n;
}

ssize_t __wrap_read(int fd, void *bytes, size_t size)
{
	char path[PATH_SIZE];
	verdict v = begin_fd(FILE_CALL_READ, fd, path);
	return v == MAY ? __real_read(fd, bytes, size) : end(v, -1);
}

ssize_t __wrap_pread(int fd, void *bytes, size_t size, off_t at)
{
	char path[PATH_SIZE];
	verdict v = begin_fd(FILE_CALL_READ, fd, path);
	return v == MAY ? __real_pread(fd, bytes, size, at) : end(v, -1);
}

int __wrap_fsync(int fd)
{
	char path[PATH_SIZE];
	struct stat st;
	verdict v = begin_fd(FILE_CALL_FSYNC, fd, path);
	if (v == MUST_NOT)
		return end(v, -1);
	bool folder = __real_fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
	int rc = __real_fsync(fd);
	TELL(rc == 0, path, file_order_synced(path, folder));
	return end(v, rc);
}

int __wrap_rename(const char *from, const char *to)
{
	verdict v = begin_path(FILE_CALL_RENAME, from);
	if (v == MUST_NOT)
		return end(v, -1);
	int rc = __real_rename(from, to);
	TELL(rc == 0, from, file_order_renamed(from, to));
	return end(v, rc);
}

int __wrap_unlink(const char *path)
{
	verdict v = begin_path(FILE_CALL_UNLINK, path);
	if (v == MUST_NOT)
		return end(v, -1);
	int rc = __real_unlink(path);
	TELL(rc == 0, path, file_order_removed(path));
	return end(v, rc);
}

int __wrap_unlinkat(int folder, const char *name, int flags)
{
	char path[PATH_SIZE], whole[2 * PATH_SIZE];
	verdict v = begin_fd(FILE_CALL_UNLINK, folder, path);
	if (v == MUST_NOT)
		return end(v, -1);
	snprintf(whole, sizeof(whole), "%s/%s", path, name);
	int rc = __real_unlinkat(folder, name, flags);
	TELL(rc == 0, whole, file_order_removed(whole));
	return end(v, rc);
}

int __wrap_rmdir(const char *path)
{
	verdict v = begin_path(FILE_CALL_UNLINK, path);
	if (v == MUST_NOT)
		return end(v, -1);
	int rc = __real_rmdir(path);
	TELL(rc == 0, path, file_order_removed(path));
	return end(v, rc);
}

int __wrap_mkdir(const char *path, mode_t mode)
{
	verdict v = begin_path(FILE_CALL_MKDIR, path);
	if (v == MUST_NOT)
		return end(v, -1);
	int rc = __real_mkdir(path, mode);
	TELL(rc == 0, path, file_order_made(path));
	return end(v, rc);
}

int __wrap_ftruncate(int fd, off_t size)
{
	char path[PATH_SIZE];
	verdict v = begin_fd(FILE_CALL_TRUNCATE, fd, path);
	if (v == MUST_NOT)
		return end(v, -1);
	int rc = __real_ftruncate(fd, size);
	TELL(rc == 0, path, file_order_written(path));
	return end(v, rc);
}

/* A lock that is had and said not to be would be held on. */
int __wrap_flock(int fd, int operation)
{
	char path[PATH_SIZE];
	verdict v = operation & LOCK_UN ? MAY : begin_fd(FILE_CALL_LOCK, fd, path);
	return v == MAY ? __real_flock(fd, operation) : end(v, -1);
}

int __wrap_stat(const char *path, struct stat *ret_stat)
{
	verdict v = begin_path(FILE_CALL_STAT, path);
	return v == MAY ? __real_stat(path, ret_stat) : end(v, -1);
}

int __wrap_fstat(int fd, struct stat *ret_stat)
{
	char path[PATH_SIZE];
	verdict v = begin_fd(FILE_CALL_STAT, fd, path);
	return v == MAY ? __real_fstat(fd, ret_stat) : end(v, -1);
}

DIR *__wrap_opendir(const char *path)
{
	verdict v = begin_path(FILE_CALL_OPEN, path);
	if (v == MAY)
		return __real_opendir(path);
	end(v, -1);
	return NULL;
}

struct dirent *__wrap_readdir(DIR *dir)
{
	char path[PATH_SIZE];
	verdict v = begin_fd(FILE_CALL_LIST, dirfd(dir), path);
	if (v == MAY)
		return __real_readdir(dir);
	end(v, -1);
	return NULL;
}

/* ---- a watch ---- */

static void watch(const char *folder, const file_fault *first, bool anew)
{
	kt_check(__real_open, "this program is not linked with --wrap=open");
	pthread_mutex_lock(&lock);
	fault = *first;
	memset(made, 0, sizeof(made));
	failed = 0;
	torn = false;
	snprintf(root, sizeof(root), "%s", folder);
	if (anew)
		file_order_begin();
	pthread_mutex_unlock(&lock);
}

void file_calls_watch(const char *folder, const file_fault *first)
{
	watch(folder, first, true);
}

void file_calls_go_on(const char *folder)
{
	watch(folder, &(file_fault) {0}, false);
}

void file_calls_end(void)
{
	pthread_mutex_lock(&lock);
	*root = '\0';
	pthread_mutex_unlock(&lock);
}

long file_calls_made(file_call call)
{
	pthread_mutex_lock(&lock);
	long n = made[call];
	pthread_mutex_unlock(&lock);
	return n;
}

long file_calls_failed(void)
{
	pthread_mutex_lock(&lock);
	long n = failed;
	pthread_mutex_unlock(&lock);
	return n;
}
