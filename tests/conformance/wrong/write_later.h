/* SPDX-License-Identifier: Apache-2.0 */
/* write_later: a write that is answered first and done afterwards, as by a cache (test_judge.c). */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct later {
	int fd;
	void *bytes;
	size_t size;
	off_t at;
};

static void *do_write_later(void *opaque)
{
	struct later *l = opaque;
	usleep(20000);
	if (pwrite(l->fd, l->bytes, l->size, l->at) != (ssize_t) l->size)
		abort();
	free(l->bytes);
	free(l);
	return NULL;
}

static int write_later(int fd, const void *bytes, size_t size, off_t at)
{
	struct later *l = malloc(sizeof *l);
	pthread_t thread;
	*l = (struct later) {fd, memcpy(malloc(size), bytes, size), size, at};
	return pthread_create(&thread, NULL, do_write_later, l) == 0 && pthread_detach(thread) == 0;
}
