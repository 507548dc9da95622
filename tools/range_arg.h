/* SPDX-License-Identifier: Apache-2.0 */
/* range_arg: how a place in Kafka is written: TOPIC/PARTITION@FROM[..UNTIL], and lists of partitions 0,3,8-11.
 * Pure. */
#ifndef TOOLS_RANGE_ARG_H
#define TOOLS_RANGE_ARG_H

#include <stdbool.h>

#include <kdirect/types.h>

enum { TOPIC_SIZE = 250 }; /* Kafka's limit of 249, and NUL */

struct range_arg {
	char topic[TOPIC_SIZE];
	int32_t partition;
	kd_range range;
};

/* Parses the whole of text; without UNTIL the range is the one offset FROM.  False, and what is wrong in *ret_why. */
bool range_arg_parse(const char *text, struct range_arg *ret, const char **ret_why);

/* The first topic/partition@offset within a message; false where there is none. */
bool range_arg_find(const char *message, struct range_arg *ret);

/* Is the partition in the list?  NULL holds every partition.  The list is well-formed. */
bool partitions_hold(const char *list, int32_t partition);
bool partitions_valid(const char *list);

#endif
