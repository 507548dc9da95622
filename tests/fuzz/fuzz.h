/* SPDX-License-Identifier: Apache-2.0 */
/* A fuzz target: bytes from libFuzzer into code that reads what others wrote.  Sanitizers watch the memory; what the
 * answer must be says fuzz_check.  run.sh says how a finding is kept. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* libFuzzer's entry points.  http://llvm.org/docs/LibFuzzer.html */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The condition must hold; the rest is a printf message. */
#define fuzz_check(condition, ...) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: ", __FILE__, __LINE__); \
			fprintf(stderr, __VA_ARGS__); \
			fputc('\n', stderr); \
			abort(); \
		} \
	} while (0)

/* The input as a string: it ends at its first zero byte, and at `most` bytes. */
static inline char *fuzz_text(const uint8_t *data, size_t size, size_t most)
{
	char *text = strndup((const char *) data, size < most ? size : most);

	fuzz_check(text, "no memory");
	return text;
}

#endif
