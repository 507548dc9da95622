/* SPDX-License-Identifier: Apache-2.0 */
/* What a person is told to do is done, word for word, from an empty prefix on. */
#include <criterion/criterion.h>

#include "script.h"

Test(tutorials, from_kdirect_new_to_a_kill_and_a_clean_audit)
{
	script_must_pass("tutorial.sh", "WRITING-A-CONNECTOR.md");
}

Test(tutorials, a_keyed_sink_a_plugin_and_a_store_that_conforms)
{
	script_must_pass("tutorial.sh", "WRITING-A-SINK.md");
}
