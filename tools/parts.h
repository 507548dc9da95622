/* SPDX-License-Identifier: Apache-2.0 */
/* parts: the sinks, decoders and transforms that a job can name: the library's, the program's, and those of the plugins
 * that its file lists.  A name stands for one part: two that clash are refused. */
#ifndef TOOLS_PARTS_H
#define TOOLS_PARTS_H

#include <kdirect/connector.h>

/* The i-th sink, decoder, transform without any plugin, the library's decoders first; NULL past the last. */
const kd_sink_ops *program_sink(size_t i);
const kd_decoder_ops *program_decoder(size_t i);
const kd_transform_ops *program_transform(size_t i);

enum part_kind { PART_SINK, PART_DECODER, PART_TRANSFORM, PART_KINDS };

struct part {
	enum part_kind kind;
	const void *ops;  /* kd_sink_ops, kd_decoder_ops or kd_transform_ops */
	const char *name; /* of ops */
	char *origin;     /* who brought it: "the library", "plugin \"./x.so\"" */
};

struct parts {
	struct part *items;
	size_t n;
};

/* Adds the library's and the program's.  KD_ECONFIG where two have one name, or one was built for another
 * kdirect or cannot be used: its table of options is wrong, it lacks a function.  So of the program's own options. */
kd_code parts_add_program(struct parts *parts, kd_error *err) KD_CHECK;
/* Adds what `origin` brings; copies origin. */
kd_code parts_add(struct parts *parts, const kd_parts *more, const char *origin, kd_error *err) KD_CHECK;
void parts_done(struct parts *parts);

/* "sink", and the key that names one: "sink.type". */
const char *part_kind_name(enum part_kind kind);
const char *part_kind_key(enum part_kind kind);

/* NULL: there is none of this name. */
const struct part *parts_find(const struct parts *parts, enum part_kind kind, const char *name);
/* The name nearest to word; NULL where none is near. */
const char *parts_suggest(const struct parts *parts, enum part_kind kind, const char *word);
/* The only one of a kind that the program itself brings; NULL: none, or several. */
const char *program_only(enum part_kind kind);

/* The options of a part. */
kd_options part_options(const struct part *part);

#endif
