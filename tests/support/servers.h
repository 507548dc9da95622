/* SPDX-License-Identifier: Apache-2.0 */
/* pg.sh and kafka.sh from C: the suite's servers are restarted through their folders (KD_TEST_PG_DIR and
 * KD_TEST_KAFKA_DIR), and a test that needs a server of its own starts one in a folder of its own.
 *
 * A server of a test's own is removed by kt_server_remove, or by the test's end at the latest. */
#ifndef KT_SERVERS_H
#define KT_SERVERS_H

#include <stdlib.h>

/* Runs "$KD_TEST_SUPPORT/SCRIPT VERB DIR ARGS..." (the last argument is NULL) and fails the test where it fails.
 * Returns the first line that it printed; the caller frees it. */
char *kt_server(const char *script, const char *verb, const char *dir, ...) __attribute__((sentinel));

/* The same, for those who want nothing of what it prints. */
#define kt_server_do(...) free(kt_server(__VA_ARGS__))

/* Starts a server of the test's own ("pg.sh" or "kafka.sh") in `dir`, for as long as this process lives. */
char *kt_server_start(const char *script, const char *dir, const char *argument);
/* The same for a PostgreSQL that follows the one in the folder `primary`. */
char *kt_server_follow(const char *script, const char *dir, const char *primary);

#endif
