/* SPDX-License-Identifier: Apache-2.0 */
/* plugin: a shared object that a job file names in "plugins" becomes parts of the program. */
#ifndef TOOLS_PLUGIN_H
#define TOOLS_PLUGIN_H

#include "parts.h"

/* Loads the object at path (from `folder`, unless it is absolute) for good, and adds its parts.  KD_ECONFIG naming the
 * path, and what to do, where it may not be loaded. */
kd_code plugin_load(struct parts *parts, const char *path, const char *folder, kd_error *err) KD_CHECK;

#endif
