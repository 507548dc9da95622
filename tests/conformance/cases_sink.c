// SPDX-License-Identifier: Apache-2.0
// Cases: the table of functions, and what a sink tells about itself.
#include "conformance.h"

#define SLOT(name) {#name, offsetof(kd_sink_ops, name)}

/* Those that may be NULL are left out: library, more, interrupt, encoder_interrupt, query, and scan_offsets where rows
 * have no offsets. */
static const struct slot {
	const char *name;
	size_t at;
} slots[] = {
	SLOT(open), SLOT(close), SLOT(info), SLOT(check), SLOT(ddl), SLOT(connect), SLOT(disconnect), SLOT(usable),
	SLOT(take_over), SLOT(add_partitions), SLOT(append_plan), SLOT(withdraw), SLOT(reread), SLOT(verify), SLOT(prune),
	SLOT(begin), SLOT(write), SLOT(commit), SLOT(abort), SLOT(encoder_open), SLOT(encoder_close), SLOT(encode),
	SLOT(flush), SLOT(snapshot_begin), SLOT(snapshot_end), SLOT(read_ledger), SLOT(owner_alive),
};

static bool is_said(const char *text)
{
	return text && *text && !strchr(text, '\n');
}

void case_the_table_of_functions_is_complete(world *w)
{
	const char *ops = (const char *) w->ops;
	expect_eq(w->ops->abi, KD_SINK_ABI);
	expect(is_said(w->ops->name));
	expect(is_said(w->ops->summary));
	expect_eq(w->ops->guarantee, KD_GUARANTEE_EXACTLY_ONCE, "the suite is for sinks that promise it");
	for (size_t s = 0; s < sizeof slots / sizeof *slots; s++)
		expect(memcmp(ops + slots[s].at, &(void (*)(void)) {NULL}, sizeof(void (*)(void))) != 0, "%s is NULL",
			slots[s].name);
	for (size_t o = 0; o < w->ops->n_options; o++) {
		expect(strncmp(w->ops->options[o].key, "sink.", 5) == 0, "%s", w->ops->options[o].key);
		expect(is_said(w->ops->options[o].help), "%s", w->ops->options[o].key);
	}
}

void case_a_sink_opens_where_nothing_is(world *w)
{
	instance *i = instance_open(w, 'a');
	const kd_sink_info *info = w->ops->info(i->sink);
	expect(is_said(info->target));
	expect(is_said(info->identity));
	expect(is_said(info->layout));
	expect(is_said(info->summary));
	expect(w->ops->usable(i->session));
	if (info->has_offsets)
		expect(w->ops->scan_offsets, "info.has_offsets is set, and scan_offsets is NULL");
	instance_close(i);
}

/* take_over compares identities: one that changes by itself would lock the job out. */
void case_the_target_is_the_same_one_when_opened_again(world *w)
{
	instance *a = instance_start(w, 'a', 1);
	char *identity = strdup(w->ops->info(a->sink)->identity);
	kt_check(identity, "no memory");
	instance_close(a);
	instance *b = instance_start(w, 'b', 0);
	expect_str_eq(w->ops->info(b->sink)->identity, identity);
	expect_eq(b->me.epoch, 2);
	free(identity);
	instance_close(b);
}

static void count_finding(void *opaque, kd_finding_level level, const char *what, const char *message)
{
	(void) level;
	expect(is_said(what));
	expect(is_said(message), "of %s", what);
	++*(int *) opaque;
}

void case_check_and_ddl_can_be_asked_before_all_else(world *w)
{
	kd_config *config = world_config(w, JOB, "t");
	kd_sink_context context = {.ops = w->ops, .config = config, .log = &(kd_logger) {0}, .read_only = true};
	kd_buf text = {0};
	int findings = 0;
	MUST(w->ops->ddl(&context, &text, &e_));
	MUST(w->ops->check(&context, count_finding, &findings, &e_));
	expect(findings > 0, "check has nothing to tell");
	kd_buf_done(&text);
	kd_config_free(config);
	instance *i = instance_start(w, 'a', 1); /* and nothing that was asked is in the way */
	instance_close(i);
}
