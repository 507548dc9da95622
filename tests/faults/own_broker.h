/* SPDX-License-Identifier: Apache-2.0 */
/* Kafka of a program's own: started before its first test, in the process that starts each test in one of its own, and
 * gone with it.  KD_TEST_KAFKA names it to the tests, OWN_BROKER its folder.
 *
 *     ReportHook(PRE_ALL)(struct criterion_test_set *all)
 *     {
 *         own_broker_start(all, "behind", kt_broker_start);
 *     } */
#ifndef OWN_BROKER_H
#define OWN_BROKER_H

#include <criterion/criterion.h>
#include <criterion/hooks.h>

#define OWN_BROKER "KD_TEST_OWN_BROKER"

/* Nothing where no test of the program is wanted.  start: in this folder; returns the bootstrap servers. */
void own_broker_start(const struct criterion_test_set *all, const char *name, char *(*start)(const char *dir));

#endif
