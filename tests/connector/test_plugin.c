/* SPDX-License-Identifier: Apache-2.0 */
/* Plugins: what they bring is used, and what must not be loaded is refused with the reason and the way out. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run.h"
#include "tmpdir.h"

enum { SOMEBODY = 12345 };

static char *copy_plugin(const char *name, const char *dir, const char *as)
{
	char *from = built(name), *to = kt_path(dir, as);
	char *command = kt_format("cp '%s' '%s' && chmod 644 '%s'", from, to, to);

	cr_assert_eq(system(command), 0, "%s", command);
	free(command);
	free(from);
	return to;
}

/* A job that names one plugin. */
static char *write_job(const char *dir, const char *plugin, const char *more)
{
	return kt_write_file(dir, "job.json",
		"{\"job\": \"j\", \"kafka\": {\"bootstrap.servers\": \"localhost:1\"}, \"topics\": [\"t\"],\n"
		"\"plugins\": [\"%s\"], %s}", plugin, more);
}

#define NULL_SINK "\"sink\": {\"type\": \"null\"}"
#define GOOD_PARTS \
	"\"decode\": {\"type\": \"pairs\"}, \"transform\": {\"type\": \"shape\"}, " \
	"\"sink\": {\"type\": \"mirror\", \"path\": \"db\", \"table\": \"t\"}"

Test(plugin, brings_a_sink_a_decoder_and_a_transform)
{
	char *dir = kt_tmpdir(), *plugin = copy_plugin("plugin/good.so", dir, "good.so");
	char *job = write_job(dir, "./good.so", GOOD_PARTS);
	run_result run = run_program(NULL, dir, NULL, "check", "job.json", "--offline", NULL);

	cr_expect_eq(run.code, 0, "%s%s", run.out, run.err);
	cr_expect(strstr(run.out, "sink \"mirror\""), "%s", run.out);
	cr_expect(strstr(run.out, "guarantee: exactly once"), "%s", run.out);
	cr_expect(strstr(run.out, "decoder: \"pairs\": name=value;name=value"), "%s", run.out);
	cr_expect(strstr(run.out, "transform: \"shape\": drops, changes and splits"), "%s", run.out);
	run_done(&run);
	run = run_program(NULL, dir, "a=1;b=x\na=2;copies=2\na=3;copies=0\n", "try", "job.json", NULL);
	cr_expect_eq(run.code, 0, "%s", run.err);
	cr_expect_eq(strcmp(run.out, "{\"a\":\"1\",\"b\":\"x\",\"copy\":0}\n{\"a\":\"2\",\"copies\":\"2\",\"copy\":0}\n"
		"{\"a\":\"2\",\"copies\":\"2\",\"copy\":1}\n"), 0, "%s", run.out);
	run_done(&run);
	free(job);
	free(plugin);
	kt_tmpdir_remove(dir);
}

Test(plugin, has_keys_that_are_judged_like_all_others)
{
	char *dir = kt_tmpdir(), *plugin = copy_plugin("plugin/good.so", dir, "good.so");
	char *job = write_job(dir, "good.so", NULL_SINK ",\n\"transform\": {\"type\": \"shape\", \"copis\": 3}");
	run_result run = run_program(NULL, "/", NULL, "check", job, "--offline", NULL);

	cr_expect_eq(run.code, 2, "%s", run.out);
	cr_expect(strstr(run.out, "job.json:3:32: unknown key \"transform.copis\": did you mean \"transform.copies\"?"), "%s",
		run.out);
	run_done(&run);
	run = run_program(NULL, dir, NULL, "check", "job.json", "--offline", "--set", "transform.type=shap", NULL);
	cr_expect_eq(run.code, 2);
	cr_expect(strstr(run.out, "there is no transform \"shap\"; did you mean \"shape\"?"), "%s", run.out);
	cr_expect(!strstr(run.out, "copis"), "%s", run.out);
	run_done(&run);
	free(job);
	free(plugin);
	kt_tmpdir_remove(dir);
}

Test(plugin, with_a_transform_alone_is_told_what_decodes)
{
	char *dir = kt_tmpdir(), *plugin = copy_plugin("plugin/good.so", dir, "good.so");
	char *job = write_job(dir, "good.so", NULL_SINK ", \"transform\": {\"type\": \"shape\"}");
	run_result run = run_program(NULL, dir, NULL, "check", "job.json", "--offline", NULL);

	cr_expect_eq(run.code, 0, "%s%s", run.out, run.err);
	cr_expect(strstr(run.out, "decoder: none named: \"json\" where the sink's layout is fields, else \"raw\""), "%s", run.out);
	run_done(&run);
	free(job);
	free(plugin);
	kt_tmpdir_remove(dir);
}

Test(plugin, is_looked_for_in_the_folder_of_the_job_file_or_here_for_standard_input)
{
	char *dir = kt_tmpdir(), *plugin = copy_plugin("plugin/good.so", dir, "good.so");
	char *job = write_job(dir, "good.so", NULL_SINK), *text = kt_read_file(job);
	run_result run = run_program(NULL, "/", NULL, "check", job, "--offline", NULL);

	cr_expect_eq(run.code, 0, "%s", run.out);
	run_done(&run);
	run = run_program(NULL, dir, text, "check", "-", "--offline", NULL);
	cr_expect_eq(run.code, 0, "%s", run.out);
	run_done(&run);
	run = run_program(NULL, "/", text, "check", "-", "--offline", NULL);
	cr_expect_eq(run.code, 2, "%s", run.out);
	cr_expect(strstr(run.out, "could not load the plugin \"good.so\": No such file or directory"), "%s", run.out);
	run_done(&run);
	free(text);
	free(job);
	text = kt_format("plugins=%s", plugin);
	job = write_job(dir, "/no/such.so", NULL_SINK);
	run = run_program(NULL, "/", NULL, "check", job, "--offline", "--set", text, NULL);
	cr_expect_eq(run.code, 0, "%s", run.out);
	run_done(&run);
	free(text);
	free(job);
	free(plugin);
	kt_tmpdir_remove(dir);
}

Test(plugin, that_is_none_is_refused_with_the_reason)
{
	static const struct {
		const char *built, *says;
	} rows[] = {
		{"plugin/abi.so", "it was built for another kdirect (plugin abi 7, not 1): build it again"},
		{"plugin/part_abi.so", "a transform of plugin \"x.so\" was built for another kdirect (abi 2, not 1)"},
		{"plugin/clash.so", "the library and plugin \"x.so\" both bring a decoder \"json\""},
		{"plugin/bad_table.so", "decoder \"pairs\" of plugin \"x.so\": option \"decode.least\": its default must be a whole "
			"number from 1 to 9, not \"50\""},
		{"plugin/no_apply.so", "transform \"idle\" of plugin \"x.so\" has no function apply"},
		{"plugin/nothing.so", "it defines no function kd_plugin_entry"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char *dir = kt_tmpdir(), *plugin = copy_plugin(rows[i].built, dir, "x.so");
		char *job = write_job(dir, "x.so", NULL_SINK);
		run_result run = run_program(NULL, dir, NULL, "check", "job.json", "--offline", NULL);

		cr_expect_eq(run.code, 2, "%s: %s%s", rows[i].built, run.out, run.err);
		cr_expect(strstr(run.out, rows[i].says), "%s: %s", rows[i].built, run.out);
		run_done(&run);
		free(job);
		free(plugin);
		kt_tmpdir_remove(dir);
	}
}

Test(plugin, that_is_no_shared_object_is_refused)
{
	char *dir = kt_tmpdir(), *file = kt_write_file(dir, "x.so", "this is text, long enough to be looked at as a header");
	char *job = write_job(dir, "x.so", NULL_SINK);
	run_result run = run_program(NULL, dir, NULL, "check", "job.json", "--offline", NULL);

	cr_expect_eq(run.code, 2, "%s", run.out);
	cr_expect(strstr(run.out, "could not load the plugin \"x.so\": "), "%s", run.out);
	cr_expect(!strstr(run.out, "/proc/"), "%s", run.out);
	run_done(&run);
	free(job);
	job = write_job(dir, ".", NULL_SINK);
	run = run_program(NULL, dir, NULL, "check", "job.json", "--offline", NULL);
	cr_expect_eq(run.code, 2, "%s", run.out);
	cr_expect(strstr(run.out, "it is no regular file"), "%s", run.out);
	run_done(&run);
	free(job);
	free(file);
	kt_tmpdir_remove(dir);
}

/* What a person would break, by a shell command in the plugin's folder, and what is said of it. */
static const struct {
	const char *command, *says;
	bool as_root; /* it needs to give files away */
} untrusted[] = {
	{"chmod 666 d/x.so", "x.so\" (mode 0666): others may write to it: chmod o-w", false},
	{"chmod 777 d", "d\" (mode 0777): others may write to it: chmod o-w", false},
	{"chmod 664 d/x.so && chgrp 12345 d/x.so", "x.so\" (mode 0664): another group may write to it: chmod g-w", true},
	{"chmod 775 d && chgrp 12345 d", "d\" (mode 0775): another group may write to it: chmod g-w", true},
	{"chown 12345 d/x.so", "it belongs neither to root nor to the user who runs this: chown root", true},
	{"chown 12345 d", "it belongs neither to root nor to the user who runs this: chown root", true},
	{"mkdir -m 777 o && mv d/x.so o && ln -s ../o/x.so d/x.so", "o\" (mode 0777): others may write to it", false},
	{"mkdir -m 777 o && mv d/x.so y.so && chmod 777 o && ln -s ../y.so o/x.so && rmdir d && ln -s o d",
		"(mode 0777): others may write to it", false},
};

static const char *const trusted[] = {
	"chmod 400 d/x.so",
	"chmod 1777 d",                                /* sticky: nobody can take another's file away */
	"chmod 664 d/x.so && chmod 775 d",             /* the user's own group */
	"mv d/x.so y.so && ln -s ../y.so d/x.so",
};

static run_result check_after(const char *command)
{
	char *dir = kt_tmpdir(), *inner = kt_path(dir, "d");

	cr_assert_eq(mkdir(inner, 0755), 0);
	char *plugin = copy_plugin("plugin/good.so", inner, "x.so"), *job = write_job(dir, "d/x.so", NULL_SINK);
	char *shell = kt_format("umask 022; cd '%s' && %s", dir, command);
	cr_assert_eq(system(shell), 0, "%s", shell);
	run_result run = run_program(NULL, dir, NULL, "check", "job.json", "--offline", NULL);
	free(shell);
	free(job);
	free(plugin);
	free(inner);
	kt_tmpdir_remove(dir);
	return run;
}

Test(plugin, is_refused_where_somebody_else_could_have_put_it_there)
{
	for (size_t i = 0; i < sizeof untrusted / sizeof untrusted[0]; i++) {
		if (untrusted[i].as_root && geteuid() != 0)
			continue;
		run_result run = check_after(untrusted[i].command);
		cr_expect_eq(run.code, 2, "%s: %s", untrusted[i].command, run.out);
		cr_expect(strstr(run.out, untrusted[i].says), "%s: %s", untrusted[i].command, run.out);
		run_done(&run);
	}
}

Test(plugin, is_loaded_where_only_root_and_the_user_could_have_put_it_there)
{
	for (size_t i = 0; i < sizeof trusted / sizeof trusted[0]; i++) {
		run_result run = check_after(trusted[i]);
		cr_expect_eq(run.code, 0, "%s: %s", trusted[i], run.out);
		run_done(&run);
	}
}

Test(plugin, may_be_one_of_several_and_is_known_by_its_own_file)
{
	char *dir = kt_tmpdir(), *one = copy_plugin("plugin/nothing.so", dir, "one.so");
	char *two = copy_plugin("plugin/good.so", dir, "two.so");
	char *job = write_job(dir, "two.so\", \"one.so", NULL_SINK);
	run_result run = run_program(NULL, dir, NULL, "check", "job.json", "--offline", NULL);

	cr_expect_eq(run.code, 2);
	cr_expect(strstr(run.out, "could not load the plugin \"one.so\": it defines no function"), "%s", run.out);
	run_done(&run);
	free(job);
	job = write_job(dir, "two.so\", \"./two.so", NULL_SINK);
	run = run_program(NULL, dir, NULL, "check", "job.json", "--offline", NULL);
	cr_expect_eq(run.code, 2);
	cr_expect(strstr(run.out, "plugin \"two.so\" and plugin \"./two.so\" both bring a sink \"mirror\""), "%s", run.out);
	run_done(&run);
	free(job);
	free(one);
	free(two);
	kt_tmpdir_remove(dir);
}
