/* SPDX-License-Identifier: Apache-2.0 */
/* script: the scripts of this folder as tests. */
#ifndef EXAMPLES_SCRIPT_H
#define EXAMPLES_SCRIPT_H

/* Runs tests/examples/SCRIPT with its argument (NULL: none); fails with what it said where it does not end with 0 within
 * five minutes. */
void script_must_pass(const char *script, const char *argument);

#endif
