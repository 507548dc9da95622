/* SPDX-License-Identifier: Apache-2.0 */
/* parts: see parts.h. */
#include "parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "option_table.h"
#include "program.h"
#include "suggest.h"

/* ---- of the program ---- */

/* The i-th of an array that ends with NULL, or is NULL. */
#define NTH(array, i) nth((const void *const *) (array), i)

static const void *nth(const void *const *array, size_t i)
{
	for (size_t k = 0; array && array[k]; k++)
		if (k == i)
			return array[k];
	return NULL;
}

static size_t count(const void *const *array)
{
	size_t n = 0;

	while (array && array[n])
		n++;
	return n;
}

const kd_sink_ops *program_sink(size_t i)
{
	return NTH(program_connector()->parts.sinks, i);
}

const kd_decoder_ops *program_decoder(size_t i)
{
	size_t n = 0;

	while (kd_decoder_at(n))
		n++;
	return i < n ? kd_decoder_at(i) : NTH(program_connector()->parts.decoders, i - n);
}

const kd_transform_ops *program_transform(size_t i)
{
	return NTH(program_connector()->parts.transforms, i);
}

const char *program_only(enum part_kind kind)
{
	const kd_parts *own = &program_connector()->parts;

	switch (kind) {
	case PART_SINK:
		return count((const void *const *) own->sinks) == 1 ? own->sinks[0]->name : NULL;
	case PART_DECODER:
		return count((const void *const *) own->decoders) == 1 ? own->decoders[0]->name : NULL;
	case PART_TRANSFORM:
		return count((const void *const *) own->transforms) == 1 ? own->transforms[0]->name : NULL;
	case PART_KINDS:
		break;
	}
	return NULL;
}

/* ---- kinds ---- */

static const struct {
	const char *name, *key;
	uint32_t abi;
} kinds[PART_KINDS] = {
	[PART_SINK] = {"sink", "sink.type", KD_SINK_ABI},
	[PART_DECODER] = {"decoder", "decode.type", KD_DECODER_ABI},
	[PART_TRANSFORM] = {"transform", "transform.type", KD_TRANSFORM_ABI},
};

const char *part_kind_name(enum part_kind kind)
{
	return kinds[kind].name;
}

const char *part_kind_key(enum part_kind kind)
{
	return kinds[kind].key;
}

/* What the three tables of functions have in common. */
static void read_ops(struct part *part, uint32_t *ret_abi, kd_options *ret_options)
{
	const kd_sink_ops *sink = part->ops;
	const kd_decoder_ops *decoder = part->ops;
	const kd_transform_ops *transform = part->ops;

	*ret_abi = *(const uint32_t *) part->ops;
	*ret_options = (kd_options){0};
	if (*ret_abi != kinds[part->kind].abi)
		return; /* what follows the number may be anything */
	part->name = part->kind == PART_SINK ? sink->name : part->kind == PART_DECODER ? decoder->name : transform->name;
	if (part->kind == PART_SINK)
		*ret_options = (kd_options){sink->options, sink->n_options};
	else if (part->kind == PART_DECODER)
		*ret_options = (kd_options){decoder->options, decoder->n_options};
	else
		*ret_options = (kd_options){transform->options, transform->n_options};
}

kd_options part_options(const struct part *part)
{
	struct part copy = *part;
	kd_options options;
	uint32_t abi;

	read_ops(&copy, &abi, &options);
	return options;
}

/* ---- the set ---- */

static kd_code no_memory(kd_error *err)
{
	return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory");
}

/* Its options, and the function without which it is nothing. */
static kd_code check_part(const struct part *part, kd_options options, const char *origin, kd_error *err)
{
	const char *key = kinds[part->kind].key, *missing = NULL;
	char group[16];

	if (part->kind == PART_DECODER && !((const kd_decoder_ops *) part->ops)->decode)
		missing = "decode";
	if (part->kind == PART_TRANSFORM && !((const kd_transform_ops *) part->ops)->apply)
		missing = "apply";
	if (missing)
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "%s \"%s\" of %s has no function %s", kinds[part->kind].name,
			part->name, origin, missing);
	snprintf(group, sizeof group, "%.*s", (int) strcspn(key, "."), key);
	if (option_table_check(options, group, err))
		return kd_error_prefix(err, "%s \"%s\" of %s", kinds[part->kind].name, part->name, origin);
	return KD_OK;
}

static kd_code add_one(struct parts *parts, enum part_kind kind, const void *ops, const char *origin, kd_error *err)
{
	struct part part = {.kind = kind, .ops = ops};
	const struct part *other;
	kd_options options;
	uint32_t abi;

	read_ops(&part, &abi, &options);
	if (abi != kinds[kind].abi)
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "a %s of %s was built for another kdirect (abi %u, not %u): build "
			"it again", kinds[kind].name, origin, (unsigned) abi, (unsigned) kinds[kind].abi);
	if (!part.name || !part.name[0])
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "a %s of %s has no name", kinds[kind].name, origin);
	if ((other = parts_find(parts, kind, part.name)))
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "%s and %s both bring a %s \"%s\"", other->origin, origin,
			kinds[kind].name, part.name);
	kd_code code = check_part(&part, options, origin, err);
	if (code)
		return code;
	struct part *items = realloc(parts->items, (parts->n + 1) * sizeof *items);
	if (items)
		parts->items = items;
	part.origin = strdup(origin);
	if (!items || !part.origin) {
		free(part.origin);
		return no_memory(err);
	}
	items[parts->n++] = part;
	return KD_OK;
}

kd_code parts_add(struct parts *parts, const kd_parts *more, const char *origin, kd_error *err)
{
	kd_code code = KD_OK;

	for (size_t i = 0; !code && more->sinks && more->sinks[i]; i++)
		code = add_one(parts, PART_SINK, more->sinks[i], origin, err);
	for (size_t i = 0; !code && more->decoders && more->decoders[i]; i++)
		code = add_one(parts, PART_DECODER, more->decoders[i], origin, err);
	for (size_t i = 0; !code && more->transforms && more->transforms[i]; i++)
		code = add_one(parts, PART_TRANSFORM, more->transforms[i], origin, err);
	return code;
}

kd_code parts_add_program(struct parts *parts, kd_error *err)
{
	const kd_connector *connector = program_connector();
	const kd_decoder_ops *decoder;
	kd_code code = option_table_check((kd_options){connector->options, connector->n_options}, NULL, err);

	if (code)
		return kd_error_prefix(err, "this program");
	for (size_t i = 0; !code && (decoder = kd_decoder_at(i)); i++)
		code = add_one(parts, PART_DECODER, decoder, "the library", err);
	return code ? code : parts_add(parts, &connector->parts, "this program", err);
}

void parts_done(struct parts *parts)
{
	for (size_t i = 0; i < parts->n; i++)
		free(parts->items[i].origin);
	free(parts->items);
	*parts = (struct parts){0};
}

const struct part *parts_find(const struct parts *parts, enum part_kind kind, const char *name)
{
	for (size_t i = 0; i < parts->n; i++)
		if (parts->items[i].kind == kind && strcmp(parts->items[i].name, name) == 0)
			return &parts->items[i];
	return NULL;
}

const char *parts_suggest(const struct parts *parts, enum part_kind kind, const char *word)
{
	const char **names = calloc(parts->n + 1, sizeof *names), *near = NULL;
	size_t n = 0;

	for (size_t i = 0; names && i < parts->n; i++)
		if (parts->items[i].kind == kind)
			names[n++] = parts->items[i].name;
	if (names)
		near = suggest(word, names, n);
	free(names);
	return near;
}
