/* SPDX-License-Identifier: Apache-2.0 */
/* parts: the sinks, decoders and transforms that a job can name: the program's, the library's, and those of the plugins
 * that its file lists. */
#ifndef TOOLS_PARTS_H
#define TOOLS_PARTS_H

#include <kdirect/connector.h>

/* The i-th sink, decoder, transform of the program itself, the library's decoders first; NULL past the last. */
const kd_sink_ops *program_sink(size_t i);
const kd_decoder_ops *program_decoder(size_t i);
const kd_transform_ops *program_transform(size_t i);

#endif
