/* SPDX-License-Identifier: Apache-2.0 */
/* demo_random: random numbers that a seed repeats (SplitMix64: Steele, Lea, Flood 2014). */
#ifndef TOOLS_DEMO_RANDOM_H
#define TOOLS_DEMO_RANDOM_H

#include <stdint.h>

struct demo_random {
	uint64_t state;
};

static inline struct demo_random demo_random_from(uint64_t seed)
{
	return (struct demo_random){seed};
}

static inline uint64_t demo_random_next(struct demo_random *random)
{
	uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* From 0 to below - 1. */
static inline int64_t demo_random_below(struct demo_random *random, int64_t below)
{
	return (int64_t) (demo_random_next(random) % (uint64_t) below);
}

#endif
