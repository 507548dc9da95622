/* SPDX-License-Identifier: Apache-2.0 */
/* config_read: a whole file in memory, of bounded size. */
#include <errno.h>
#include <unistd.h>

#include "config_private.h"

enum { PIECE_BYTES = 65536 };

int kd_config_read(int fd, size_t most_bytes, kd_buf *out)
{
	for (;;) {
		char *room = kd_buf_reserve(out, PIECE_BYTES);
		if (!room)
			return ENOMEM;
		ssize_t got = read(fd, room, PIECE_BYTES);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno;
		if (got == 0)
			return 0;
		out->size += (size_t) got;
		if (out->size > most_bytes)
			return EFBIG;
	}
}
