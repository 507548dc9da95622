/* SPDX-License-Identifier: Apache-2.0 */
/* option_table: whether a table of options that somebody else wrote can be used as it is. */
#ifndef TOOLS_OPTION_TABLE_H
#define TOOLS_OPTION_TABLE_H

#include <kdirect/config.h>

/* KD_ECONFIG at the first option that cannot be used; the message begins with its key or number.  group: the word that
 * each key must stand below ("sink"); NULL: any word that is not one of the engine's. */
kd_code option_table_check(kd_options table, const char *group, kd_error *err) KD_CHECK;

#endif
