/* SPDX-License-Identifier: Apache-2.0 */
/* made: tables of functions that are made of somebody's smaller ones, once each, and kept. */
#ifndef SINKS_MADE_H
#define SINKS_MADE_H

#include <kdirect/sink.h>

/* What the table made has of the author's. */
typedef struct made_head {
	uint32_t abi; /* KD_SINK_ABI; the author's own where that is not ours: whoever collects sinks refuses it then */
	const char *name, *summary;
	kd_options options;
} made_head;

/* A slot that the author must fill. */
typedef struct made_slot {
	const char *name;
	bool filled;
} made_slot;

/* The table made of `of`: slots' functions under another name, with the head's options in front of slots' own.  Any
 * thread.  NULL without memory. */
const kd_sink_ops *made_sink(const kd_sink_ops *slots, const void *of, const made_head *head);

/* KD_ECONFIG, STOP where the author's table is of another abi: nothing else of it may be read then. */
kd_code made_check_abi(uint32_t abi, uint32_t ours, kd_error *err);
/* KD_ECONFIG, STOP naming the first slot that is not filled. */
kd_code made_check_slots(const char *name, const made_slot *slots, size_t n, kd_error *err);

#endif
