/* SPDX-License-Identifier: Apache-2.0 */
/* kdirect/fault.h: named fault points.  In any build without KD_FAULTS a point is nothing at all.
 *
 * In a test build (make FAULTS=1) two environment variables, read once, say what happens at them.
 *
 *     KD_FAULT=name:hit:action[,name:hit:action ...]
 *         At the hit-th pass through the point, or with "hit+" from that one on:
 *             kill        the process kills itself (SIGKILL)
 *             stop        it freezes (SIGSTOP), the thread that is there first
 *             sleep:MS    the thread sleeps so many milliseconds
 *             exit        the process ends with exit code 99, without a last word
 *             fail        the step fails as if its system had refused, so that the recovery from just that runs
 *             signal:N    the process gets signal N, and the step goes on
 *         Each entry counts for itself.  An entry that cannot be read ends the process at its first point.
 *     KD_FAULT_TRACE=path
 *         Appends a line "name hit" for each pass, and "name hit action" where an entry acts, before it does.  Of a point
 *         that is passed often, passes after the hundredth are told only where their number is a power of two.
 *
 * docs/GUARANTEES.md has a row for each point: what is on disk then, what the restart does, and what `fail` does. */
#ifndef KDIRECT_FAULT_H
#define KDIRECT_FAULT_H

#include <stdbool.h>
#include <stddef.h>

#include "kdirect/error.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifdef KD_FAULTS
/* A pass through the point.  True: it is to fail. */
KD_API bool kd_fault_hit(const char *name);

/* The same.  Where it is to fail, fills *err with that code and action, and returns the code; else KD_OK. */
KD_API kd_code kd_fault_error(const char *name, kd_code code, kd_action action, kd_error *err);

/* A point that nothing can fail at. */
#define KD_FAULT(name) ((void) kd_fault_hit(name))
/* A point that fails in its own way: a condition. */
#define KD_FAULT_FAILS(name) kd_fault_hit(name)
/* A point that fails with an error: a kd_code. */
#define KD_FAULT_ERROR(name, code, action, err) kd_fault_error(name, code, action, err)
/* A point's name for a function that several points are in: NULL where there are none. */
#define KD_FAULT_NAME(name) name
#else
#define KD_FAULT(name) ((void) 0)
#define KD_FAULT_FAILS(name) false
#define KD_FAULT_ERROR(name, code, action, err) KD_OK
#define KD_FAULT_NAME(name) NULL
#endif

#ifdef __cplusplus
}
#endif
#endif
