/* SPDX-License-Identifier: Apache-2.0 */
/* What a person builds on an installation: the examples, and what "kdirect new" writes. */
#include <criterion/criterion.h>

#include "script.h"

Test(examples, a_new_project_builds_and_passes_at_once)
{
	script_must_pass("new.sh", NULL);
}

Test(examples, the_reference_holds_every_public_function)
{
	script_must_pass("reference.sh", NULL);
}

Test(examples, a_redacting_transform_through_kills)
{
	script_must_pass("redact.sh", NULL);
}

Test(examples, a_decoder_of_ones_own_through_kills)
{
	script_must_pass("fixed-width.sh", NULL);
}

Test(examples, enrichment_reads_within_the_transaction_through_kills)
{
	script_must_pass("enrich.sh", NULL);
}

Test(examples, rows_of_two_tables_are_never_seen_apart)
{
	script_must_pass("split-orders.sh", NULL);
}

Test(examples, a_keyed_service_ends_as_if_each_put_came_once)
{
	script_must_pass("webhook.sh", NULL);
}

Test(examples, a_sink_of_ones_own_conforms_and_lands_once_through_kills)
{
	script_must_pass("minimal-sink.sh", NULL);
}

Test(examples, a_transform_in_python_through_kills)
{
	script_must_pass("python.sh", NULL);
}
