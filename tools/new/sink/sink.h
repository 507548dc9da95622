/* The sink of @NAME@. */
#ifndef SINK_H
#define SINK_H

#include <kdirect/keyed.h>

extern const kd_keyed_ops sink;

#endif
