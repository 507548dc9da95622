/* SPDX-License-Identifier: Apache-2.0 */
/* Allocations of ours, counted, failed and held to account: see local_memory.h. */
#include "local_memory.h"

#include <jansson.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "check.h"

enum { SLOTS = 1 << 17, TOLD = 20 };

/* The linker's: only a program with --wrap has them. */
#define REAL __attribute__((weak))
REAL void *__real_malloc(size_t size);
REAL void *__real_calloc(size_t n, size_t size);
REAL void *__real_realloc(void *block, size_t size);
REAL void *__real_reallocarray(void *block, size_t n, size_t size);
REAL void __real_free(void *block);
REAL char *__real_strdup(const char *text);
REAL char *__real_strndup(const char *text, size_t size);
REAL int __real_vasprintf(char **ret_text, const char *format, va_list args);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_reallocarray(void *block, size_t n, size_t size);
void __wrap_free(void *block);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t size);
int __wrap_asprintf(char **ret_text, const char *format, ...) KD_PRINTF(2, 3);
int __wrap_vasprintf(char **ret_text, const char *format, va_list args) KD_PRINTF(2, 0);
extern const char __executable_start;

/* Blocks that are held, by open addressing; block GONE: a slot that was used. */
typedef struct slot {
	void *block;
	unsigned long at;
} slot;

static const char gone;
#define GONE ((void *) &gone)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static slot held[SLOTS]; /* lock */
static bool watching, counting, failing_on; /* lock */
static long nth, allocations, failures, used; /* lock */
static unsigned long failed_at; /* lock */

static size_t slot_of(const void *block)
{
	return (size_t) (((uintptr_t) block >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 40) % SLOTS;
}

/* May this allocation be made? */
static bool may(unsigned long at)
{
	bool allowed = true;

	pthread_mutex_lock(&lock);
	if (watching && counting) {
		allocations++;
		allowed = !nth || allocations < nth || (allocations > nth && !failing_on);
		failures += !allowed;
		if (!allowed && !failed_at)
			failed_at = at;
	}
	pthread_mutex_unlock(&lock);
	return allowed;
}

static void *keep(void *block, unsigned long at)
{
	pthread_mutex_lock(&lock);
	if (watching && block) {
		size_t i = slot_of(block);

		while (held[i].block && held[i].block != GONE && held[i].block != block)
			i = (i + 1) % SLOTS;
		used += !held[i].block;
		held[i] = (slot) {block, at};
	}
	bool full = used > SLOTS / 2;
	pthread_mutex_unlock(&lock);
	kt_check(!full, "too many blocks to watch");
	return block;
}

static void forget(const void *block)
{
	pthread_mutex_lock(&lock);
	for (size_t i = slot_of(block); block && held[i].block; i = (i + 1) % SLOTS)
		if (held[i].block == block) {
			held[i].block = GONE;
			break;
		}
	pthread_mutex_unlock(&lock);
}

#define HERE ((unsigned long) ((const char *) __builtin_return_address(0) - &__executable_start))

void *__wrap_malloc(size_t size)
{
	return may(HERE) ? keep(__real_malloc(size), HERE) : NULL;
}

void *__wrap_calloc(size_t n, size_t size)
{
	return may(HERE) ? keep(__real_calloc(n, size), HERE) : NULL;
}

/* The old block is forgotten first: another thread may get its address at once. */
void *__wrap_realloc(void *block, size_t size)
{
	if (!may(HERE))
		return NULL;
	forget(block);
	return keep(__real_realloc(block, size), HERE);
}

void *__wrap_reallocarray(void *block, size_t n, size_t size)
{
	if (!may(HERE))
		return NULL;
	forget(block);
	return keep(__real_reallocarray(block, n, size), HERE);
}

void __wrap_free(void *block)
{
	forget(block);
	__real_free(block);
}

char *__wrap_strdup(const char *text)
{
	return may(HERE) ? keep(__real_strdup(text), HERE) : NULL;
}

char *__wrap_strndup(const char *text, size_t size)
{
	return may(HERE) ? keep(__real_strndup(text, size), HERE) : NULL;
}

static int print(char **ret_text, unsigned long at, const char *format, va_list args)
{
	int size = -1;

	if (may(at) && (size = __real_vasprintf(ret_text, format, args)) >= 0)
		keep(*ret_text, at);
	return size;
}

int __wrap_vasprintf(char **ret_text, const char *format, va_list args)
{
	return print(ret_text, HERE, format, args);
}

int __wrap_asprintf(char **ret_text, const char *format, ...)
{
	va_list args;
	int size;

	va_start(args, format);
	size = print(ret_text, HERE, format, args);
	va_end(args);
	return size;
}

/* ---- a watch ---- */

void local_memory_watch(long fail, bool for_ever)
{
	kt_check(__real_malloc, "this program is not linked with --wrap=malloc");
	json_set_alloc_funcs(__wrap_malloc, __wrap_free);
	pthread_mutex_lock(&lock);
	memset(held, 0, sizeof(held));
	watching = counting = true;
	failing_on = for_ever;
	nth = fail;
	allocations = failures = used = 0;
	failed_at = 0;
	pthread_mutex_unlock(&lock);
}

static void count(bool from_now_on)
{
	pthread_mutex_lock(&lock);
	counting = from_now_on;
	pthread_mutex_unlock(&lock);
}

void local_memory_pause(void)
{
	count(false);
}

void local_memory_resume(void)
{
	count(true);
}

long local_memory_allocations(void)
{
	pthread_mutex_lock(&lock);
	long n = allocations;
	pthread_mutex_unlock(&lock);
	return n;
}

long local_memory_failures(void)
{
	pthread_mutex_lock(&lock);
	long n = failures;
	pthread_mutex_unlock(&lock);
	return n;
}

unsigned long local_memory_failed_at(void)
{
	pthread_mutex_lock(&lock);
	unsigned long at = failed_at;
	pthread_mutex_unlock(&lock);
	return at;
}

long local_memory_end(void)
{
	long rest = 0;

	pthread_mutex_lock(&lock);
	watching = false;
	for (size_t i = 0; i < SLOTS; i++)
		if (held[i].block && held[i].block != GONE && ++rest <= TOLD)
			fprintf(stderr, "still held: a block taken at 0x%lx\n", held[i].at);
	pthread_mutex_unlock(&lock);
	return rest;
}
