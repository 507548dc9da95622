/* SPDX-License-Identifier: Apache-2.0 */
/* ledger: the protocol of the ledger, as lib/ and sinks/postgres/ do it, for Spin.  README.md says which transition
 * stands for which function. */
#include "settings.pml"
#include "tables.pml"
#include "instance.pml"
#include "driver.pml"
#include "worker.pml"
#include "world.pml"
