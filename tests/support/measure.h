/* SPDX-License-Identifier: Apache-2.0 */
/* Measuring a program as a whole process: what a benchmark quotes. */
#ifndef KT_MEASURE_H
#define KT_MEASURE_H

#include <stdint.h>

typedef struct kt_cost {
	double wall_s, cpu_s;
	long peak_kb;
	int status; /* exit code */
} kt_cost;

/* Runs argv (ends with NULL) to its end, its output to DIR/measured.out, and says what it cost. */
kt_cost kt_measure(const char *dir, const char *const *argv);

double kt_now_s(void);

/* The median of n values, which it sorts. */
double kt_median(double *values, int n);

#endif
