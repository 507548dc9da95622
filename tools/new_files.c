/* SPDX-License-Identifier: Apache-2.0 */
/* new_files: see new_files.h.  The assembler takes the files in as they are; the build runs at the top of the tree. */
#include "new_files.h"

#define EMBED(symbol, path)                                                                                            \
	__asm__(".pushsection .rodata\n"                                                                                   \
	        ".global " #symbol ", " #symbol "_end\n"                                                                   \
	        ".hidden " #symbol ", " #symbol "_end\n" #symbol ":\n"                                                     \
	        ".incbin \"tools/new/" path "\"\n" #symbol "_end:\n"                                                       \
	        ".popsection\n");                                                                                          \
	extern const char symbol[] __attribute__((visibility("hidden")));                                                  \
	extern const char symbol##_end[] __attribute__((visibility("hidden")))

EMBED(connector_makefile, "connector/Makefile");
EMBED(connector_main_c, "connector/main.c");
EMBED(connector_job, "connector/job.json");
EMBED(connector_test, "connector/test.sh");
EMBED(connector_input, "connector/input.json");
EMBED(connector_expected, "connector/expected.json");
EMBED(connector_readme, "connector/README.md");

EMBED(sink_makefile, "sink/Makefile");
EMBED(sink_main_c, "sink/main.c");
EMBED(sink_c, "sink/sink.c");
EMBED(sink_h, "sink/sink.h");
EMBED(sink_test_c, "sink/test.c");
EMBED(sink_job, "sink/job.json");
EMBED(sink_readme, "sink/README.md");

const struct new_file new_connector[] = {
	{"Makefile", 0644, connector_makefile, connector_makefile_end},
	{"main.c", 0644, connector_main_c, connector_main_c_end},
	{"job.json", 0644, connector_job, connector_job_end},
	{"test.sh", 0755, connector_test, connector_test_end},
	{"input.json", 0644, connector_input, connector_input_end},
	{"expected.json", 0644, connector_expected, connector_expected_end},
	{"README.md", 0644, connector_readme, connector_readme_end},
	{0}};

const struct new_file new_sink[] = {
	{"Makefile", 0644, sink_makefile, sink_makefile_end},
	{"main.c", 0644, sink_main_c, sink_main_c_end},
	{"sink.c", 0644, sink_c, sink_c_end},
	{"sink.h", 0644, sink_h, sink_h_end},
	{"test.c", 0644, sink_test_c, sink_test_c_end},
	{"job.json", 0644, sink_job, sink_job_end},
	{"README.md", 0644, sink_readme, sink_readme_end},
	{0}};
