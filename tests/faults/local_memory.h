/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that runs out for our own objects: a program linked with -Wl,--wrap=malloc and its sisters passes every
 * allocation of ours through here.  Shared libraries allocate by themselves and never fail: librdkafka would end the
 * process.  jansson, which makes what our own code asks for, is put under the same rule by json_set_alloc_funcs. */
#ifndef LOCAL_MEMORY_H
#define LOCAL_MEMORY_H

#include <stdbool.h>

/* From here on allocations are counted; the nth fails (0: none), and with for_ever all after it. */
void local_memory_watch(long nth, bool for_ever);
/* None is counted, and none fails, between these two. */
void local_memory_pause(void);
void local_memory_resume(void);
/* How many there were since then, those that failed among them. */
long local_memory_allocations(void);
long local_memory_failures(void);
/* Nothing fails and nothing is counted any more.  How many blocks of this watch are still held, telling where in the
 * program each was taken (addr2line -e PROGRAM). */
long local_memory_end(void);
/* Where the first failure was, for addr2line; 0: there was none. */
unsigned long local_memory_failed_at(void);

#endif
