/* SPDX-License-Identifier: Apache-2.0 */
/* guarantee: what a sink promises, by name. */
#include "kdirect/sink.h"

const char *kd_guarantee_name(kd_guarantee guarantee)
{
	switch (guarantee) {
	case KD_GUARANTEE_NONE: return "none";
	case KD_GUARANTEE_KEYED: return "keyed";
	case KD_GUARANTEE_EXACTLY_ONCE: return "exactly once";
	}
	return "none";
}
