/* SPDX-License-Identifier: Apache-2.0 */
/* made: tables of functions that are made of somebody's smaller ones, once each, and kept. */
#ifndef SINKS_MADE_H
#define SINKS_MADE_H

#include <kdirect/sink.h>

/* The table made of `of`: slots' functions under another name, with options in front of slots' own.  Any thread.  NULL
 * without memory. */
const kd_sink_ops *made_sink(const kd_sink_ops *slots, const void *of, const char *name, const char *summary,
	const kd_options *options);

#endif
