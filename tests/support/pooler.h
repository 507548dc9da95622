/* SPDX-License-Identifier: Apache-2.0 */
/* pgbouncer in transaction mode in front of a scratch database: nothing behind it may rely on a session's state.
 *
 *     kt_pooler pooler;
 *     kt_pooler_start(&pooler, &pg, 3);
 *     ... connect to pooler.dsn ...
 *     kt_pooler_stop(&pooler);
 */
#ifndef KT_POOLER_H
#define KT_POOLER_H

#include <sys/types.h>

#include "pg_fixture.h"

typedef struct kt_pooler {
	char *dir;
	char dsn[256];
	pid_t pid;
	int port;
} kt_pooler;

/* pool_size: server sessions; what one client leaves behind in one of them is what the next one finds. */
void kt_pooler_start(kt_pooler *pooler, const kt_pg *pg, int pool_size);
void kt_pooler_stop(kt_pooler *pooler);

#endif
