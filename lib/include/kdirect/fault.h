/* SPDX-License-Identifier: Apache-2.0 */
/* kdirect/fault.h: named fault points.  In a build with KD_FAULTS defined the environment variable
 * KD_FAULT=name:hit:action[:ms] makes the hit-th pass through the point kill (SIGKILL), stop (SIGSTOP), sleep or exit;
 * several are separated by commas.  In any other build a point is nothing at all.  docs/GUARANTEES.md has a row for
 * each: what is on disk then, and what the restart does. */
#ifndef KDIRECT_FAULT_H
#define KDIRECT_FAULT_H

#include "kdirect/error.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifdef KD_FAULTS
KD_API void kd_fault_hit(const char *name);
#define KD_FAULT(name) kd_fault_hit(name)
#else
#define KD_FAULT(name) ((void) 0)
#endif

#ifdef __cplusplus
}
#endif
#endif
