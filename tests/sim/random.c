/* SPDX-License-Identifier: Apache-2.0 */
/* random: everything that is not decided by the code under test, from one seed; and its clock. */
#include "world.h"

/* splitmix64: G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number generators", 2014. */
static uint64_t next(void)
{
	uint64_t z = sim->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

uint64_t sim_random(uint64_t n)
{
	return (next() >> 16) % n;
}

bool sim_percent(int tenths)
{
	return !sim->quiet && sim_random(1000) < (uint64_t) tenths;
}

/* The linker's --wrap puts these in the place of the engine's. */
int64_t __wrap_kd_clock_wall_ms(void);
int64_t __wrap_kd_clock_mono_ms(void);
struct kd_worker;
void __wrap_kd_worker_pause(struct kd_worker *worker, int64_t ms);

int64_t __wrap_kd_clock_wall_ms(void)
{
	return sim->wall_ms;
}

int64_t __wrap_kd_clock_mono_ms(void)
{
	return sim->mono_ms;
}

void __wrap_kd_worker_pause(struct kd_worker *worker, int64_t ms)
{
	(void) worker;
	sim_yield(ms);
}
