# kdirect: one Makefile for the whole tree, run from the top.  "make help" lists the targets.
# Yours to set: CC CXX (for the headers' test) CFLAGS CPPFLAGS LDFLAGS PREFIX DESTDIR.
# Options: SAN=address|undefined|address,undefined|thread, FAULTS=1 (named fault points), WERROR=1, V=1.
# Every combination builds in a folder of its own under build/, so that switching back costs nothing.

VERSION    := 0.1.0
SOVERSION  := 0
PREFIX     ?= /usr/local
BINDIR     ?= $(PREFIX)/bin
LIBDIR     ?= $(PREFIX)/lib
INCDIR     ?= $(PREFIX)/include
MANDIR     ?= $(PREFIX)/share/man
CFLAGS     ?= -O2 -g
INSTALL    ?= install
PKG_CONFIG ?= pkg-config
ifeq ($(origin CC),default)
CC         := gcc
endif
ifeq ($(origin CXX),default)
CXX        := $(if $(findstring clang,$(CC)),$(subst clang,clang++,$(CC)),$(subst gcc,g++,$(CC)))
endif
SAN        ?=
FAULTS     ?=
FUZZ       ?=

comma      := ,
BUILD      := build/$(subst $(comma),+,$(or $(SAN),plain))$(if $(FAULTS),-faults)$(if $(FUZZ),-fuzz)$(if $(findstring clang,$(CC)),-clang)
Q          := $(if $(V),,@)
say         = $(if $(V),,@printf '  %-5s %s\n' '$(1)' '$(2)')

# These goals install what is missing, or need nothing: the libraries are only looked for by the others.
BARE_GOALS := demo test deps help clean
ifneq ($(filter-out $(BARE_GOALS),$(or $(MAKECMDGOALS),all)),)
LIB_PKGS   := rdkafka jansson
SINK_PKGS  := libpq sqlite3 zlib libzstd
MISSING    := $(strip $(shell for p in $(LIB_PKGS) $(SINK_PKGS); do $(PKG_CONFIG) --exists $$p || echo $$p; done))
ifneq ($(MISSING),)
$(error $(PKG_CONFIG) does not find: $(MISSING); "make deps" installs what is missing)
endif
PKG_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(LIB_PKGS) $(SINK_PKGS))
LIB_LIBS   := $(shell $(PKG_CONFIG) --libs $(LIB_PKGS))
SINK_LIBS  := $(shell $(PKG_CONFIG) --libs $(SINK_PKGS))
# The allocator is the largest single lever on the fetch side, so the program takes mimalloc where there is one.
# It reaches librdkafka because it replaces malloc for the whole process; sanitizers bring an allocator of their own.
MALLOC     := $(if $(SAN)$(filter-out /%,$(shell $(CC) -print-file-name=libmimalloc.so)),,\
              -Wl$(comma)--no-as-needed -lmimalloc -Wl$(comma)--as-needed)
endif

KD_CPP     := -Ilib/include -Isinks/include -Itools/include -D_GNU_SOURCE -DKD_VERSION='"$(VERSION)"' $(if $(FAULTS),-DKD_FAULTS) $(PKG_CFLAGS)
KD_WARN    := -Wall -Wextra -Wshadow -Wformat=2 $(if $(WERROR),-Werror)
KD_GEN     := -fvisibility=hidden -fPIC -pthread $(if $(FUZZ),-fsanitize=fuzzer-no-link) $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all \
              -fno-omit-frame-pointer)
KD_C       := -std=gnu11 $(KD_WARN) -Wstrict-prototypes -Wmissing-prototypes $(KD_GEN)
KD_LD      := -pthread $(if $(SAN),-fsanitize=$(SAN))

# What is built: a new source file in the right folder is all it takes.
LIB_SRC    := $(wildcard lib/*.c)
SINK_SRC   := $(wildcard sinks/*.c sinks/*/*.c)
# tools/ is the library of connector programs, and kdirect: one of them, with verbs of its own.
TOOL_SRC   := $(wildcard tools/kdirect.c tools/cmd_demo.c tools/demo_*.c tools/cmd_torture.c tools/torture_*.c tools/cmd_new.c tools/new_*.c)
CONNECTOR_SRC := $(filter-out $(TOOL_SRC),$(wildcard tools/*.c))
CONN_SRC   := $(wildcard connectors/*.c)
SUPP_SRC   := $(wildcard tests/support/*.c)
SUITES     := unit sim mock conformance pg kafka cli connector crash faults wrong examples
# Those that need the named fault points.
FAULT_SUITES := crash faults wrong
TEST_SRC   := $(foreach s,$(SUITES),$(wildcard tests/$(s)/test_*.c))
# Files of a suite that are not test_*.c are shared by its programs.
SHARED_SRC := $(filter-out $(TEST_SRC),$(foreach s,$(SUITES),$(wildcard tests/$(s)/*.c)))
# The conformance suite is also an installed program, without criterion.
CONFORM_SRC := $(wildcard tests/conformance/program/*.c) \
              $(filter-out $(TEST_SRC) %/in_criterion.c,$(wildcard tests/conformance/*.c))
# Connectors that a suite kills.
VICTIM_SRC := $(wildcard tests/crash/program/*.c)
# The release gate drives the campaigns of two suites.
GATE_SRC   := $(wildcard tests/torture/*.c)
# Programs and plugins such as others build them.
OTHERS_SRC := $(wildcard tests/connector/program/*.c)
PLUGIN_SRC := $(wildcard tests/connector/plugin/*.c)
RACE_SRC   := $(wildcard tests/race/race_*.c)
BENCH_SRC  := $(wildcard tests/bench/bench_*.c)
FUZZ_SRC   := $(wildcard tests/fuzz/fuzz_*.c)
HEADERS    := $(wildcard lib/include/kdirect/*.h sinks/include/kdirect/*.h tools/include/kdirect/*.h)
ALL_SRC    := $(LIB_SRC) $(SINK_SRC) $(CONNECTOR_SRC) $(TOOL_SRC) $(CONN_SRC) $(SUPP_SRC) $(TEST_SRC) $(SHARED_SRC) $(RACE_SRC) \
              $(BENCH_SRC) $(FUZZ_SRC) $(CONFORM_SRC) $(VICTIM_SRC) $(GATE_SRC) $(OTHERS_SRC) $(PLUGIN_SRC)
obj         = $(addprefix $(BUILD)/,$(addsuffix .o,$(basename $(1))))

LIB_A      := $(BUILD)/libkdirect.a
SINK_A     := $(BUILD)/libkdsinks.a
CONNECTOR_A := $(BUILD)/libkdconnector.a
SUPP_A     := $(BUILD)/libkdtest.a
LIB_SO     := $(BUILD)/libkdirect.so.$(SOVERSION)
SINK_SO    := $(BUILD)/libkdsinks.so.$(SOVERSION)
CONNECTOR_SO := $(BUILD)/libkdconnector.so.$(SOVERSION)
ARCHIVES   := $(LIB_A) $(SINK_A) $(CONNECTOR_A)
SHARED     := $(LIB_SO) $(SINK_SO) $(CONNECTOR_SO)
PCS        := $(BUILD)/kdirect.pc $(BUILD)/kdsinks.pc $(BUILD)/kdconnector.pc
TOOL       := $(if $(TOOL_SRC),$(BUILD)/bin/kdirect)
CONFORM    := $(BUILD)/bin/kdirect-sink-conformance
CONNS      := $(CONN_SRC:connectors/%.c=$(BUILD)/bin/%)
OTHERS     := $(OTHERS_SRC:%.c=$(BUILD)/%)
PLUGINS    := $(PLUGIN_SRC:%.c=$(BUILD)/%.so)
TESTS      := $(TEST_SRC:%.c=$(BUILD)/%)
GATE       := $(BUILD)/tests/torture/torture
PLAINS     := $(RACE_SRC:%.c=$(BUILD)/%) $(BENCH_SRC:%.c=$(BUILD)/%) $(VICTIM_SRC:%.c=$(BUILD)/%) $(GATE)
FUZZERS    := $(FUZZ_SRC:%.c=$(BUILD)/%)
suite       = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/$(1)/test_*.c))

##@ Build
all: $(ARCHIVES) $(SHARED) $(TOOL) $(CONFORM) $(CONNS) ## the libraries, kdirect and the connectors
program: $(TOOL) ## kdirect alone
tests: all $(TESTS) ## every test program, without running it
deps: ## install what the build and all tests need (apt-get)
	@tests/support/deps.sh test

$(BUILD)/tests/%.o: private KD_CPP += -iquote . -iquote lib -iquote tests/support
$(BUILD)/%.o: %.c $(BUILD)/.flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(KD_CPP) $(CPPFLAGS) $(KD_C) $(CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/tools/new_files.o: $(wildcard tools/new/*/*)

# Rebuild everything when a compiler or a flag changes, and only then.
$(BUILD)/.flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(KD_CPP) $(CPPFLAGS) $(KD_C) $(CFLAGS)' >$@.$$$$; \
	  cmp -s $@.$$$$ $@ && rm $@.$$$$ || mv $@.$$$$ $@

# Link again when a source comes or goes: a wildcard alone does not notice a removal.
$(BUILD)/.sources: FORCE
	@mkdir -p $(@D)
	@echo '$(sort $(filter-out $(TEST_SRC) $(RACE_SRC) $(BENCH_SRC) $(FUZZ_SRC),$(ALL_SRC))) $(LDFLAGS) $(MALLOC)' >$@.$$$$; \
	  cmp -s $@.$$$$ $@ && rm $@.$$$$ || mv $@.$$$$ $@

$(LIB_A) $(LIB_SO): $(call obj,$(LIB_SRC))
$(SINK_A) $(SINK_SO): $(call obj,$(SINK_SRC))
$(CONNECTOR_A) $(CONNECTOR_SO): $(call obj,$(CONNECTOR_SRC))
$(SINK_SO) $(CONNECTOR_SO): $(LIB_SO)
$(SUPP_A): $(call obj,$(SUPP_SRC))
$(ARCHIVES) $(SUPP_A) $(SHARED) $(TOOL) $(CONFORM): $(BUILD)/.sources
$(BUILD)/%.a:
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)

$(BUILD)/exports.map: Makefile
	@mkdir -p $(@D)
	@echo '{ global: kd_*; local: *; };' >$@
$(SHARED): $(BUILD)/exports.map
$(SINK_SO): private SO_LIBS = $(LIB_SO) $(SINK_LIBS)
$(CONNECTOR_SO): private SO_LIBS = $(LIB_SO)
$(SHARED):
	$(call say,LD,$@)
	$(Q)$(CC) $(KD_LD) $(LDFLAGS) -shared $(if $(SAN),,-Wl,-z,defs) -Wl,--version-script=$(BUILD)/exports.map \
	  -Wl,-soname,$(@F) -o $@ $(filter %.o,$^) $(SO_LIBS) $(LIB_LIBS)

# What an installed archive holds is one object whose own names are local, so that it takes none from a program.
$(BUILD)/install/%.a: $(BUILD)/%.a
	@mkdir -p $(@D)
	$(Q)$(CC) -r -nostdlib -o $(@:.a=.o) -Wl,--whole-archive $< -Wl,--no-whole-archive
	$(Q)objcopy --localize-hidden $(@:.a=.o)
	$(Q)rm -f $@ && $(AR) rcs $@ $(@:.a=.o)

# A plugin finds every function of the libraries in the program that loads it.
$(TOOL): $(call obj,$(TOOL_SRC)) $(ARCHIVES)
$(CONNS): $(BUILD)/bin/%: $(BUILD)/connectors/%.o $(ARCHIVES)
$(OTHERS): $(BUILD)/%: $(BUILD)/%.o $(ARCHIVES)
$(CONFORM): $(call obj,$(CONFORM_SRC)) $(ARCHIVES) $(SUPP_A)
$(TOOL) $(CONFORM): private WHOLE = $(ARCHIVES)
$(CONNS) $(OTHERS): private WHOLE = $(LIB_A) $(CONNECTOR_A)
$(TOOL) $(CONFORM) $(CONNS) $(OTHERS):
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(KD_LD) $(LDFLAGS) -Wl,--export-dynamic -o $@ $(filter %.o,$^) -Wl,--whole-archive $(WHOLE) \
	  -Wl,--no-whole-archive $(filter-out $(WHOLE),$(filter %.a,$^)) -Wl,--as-needed $(SINK_LIBS) $(LIB_LIBS) $(MALLOC)

$(PLUGINS): $(BUILD)/%.so: $(BUILD)/%.o
	$(call say,LD,$@)
	$(Q)$(CC) $(KD_LD) $(LDFLAGS) -shared -o $@ $<

$(TESTS): EXTRA = -lcriterion
# The simulation's clock in the place of the engine's.
$(call suite,sim): EXTRA = -lcriterion -Wl,--wrap=kd_clock_wall_ms,--wrap=kd_clock_mono_ms,--wrap=kd_worker_pause
# Every allocation of ours may fail; the libraries' own, which are shared, may not.
$(BUILD)/tests/unit/test_memory: $(BUILD)/tests/faults/local_memory.o
$(addprefix $(BUILD)/tests/,unit/test_memory faults/test_local_memory faults/test_local_memory_postgres): EXTRA = -lcriterion $(patsubst %,-Wl$(comma)--wrap=%,malloc calloc realloc reallocarray \
  free strdup strndup asprintf vasprintf)
$(BUILD)/tests/faults/test_local_calls_files: EXTRA = -lcriterion $(patsubst %,-Wl$(comma)--wrap=%,open close write read pread fsync rename \
  unlink unlinkat rmdir mkdir ftruncate flock stat fstat opendir readdir)
$(FUZZERS): EXTRA = -fsanitize=fuzzer
$(FUZZERS): $(BUILD)/%: $(BUILD)/%.o $(CONNECTOR_A) $(SINK_A) $(LIB_A)
$(TESTS) $(PLAINS): $(BUILD)/%: $(BUILD)/%.o $(SUPP_A) $(CONNECTOR_A) $(SINK_A) $(LIB_A)
define shared
$(call suite,$(1)): $(call obj,$(filter tests/$(1)/%,$(SHARED_SRC)))
endef
$(foreach s,$(SUITES),$(if $(call suite,$(s)),$(eval $(call shared,$(s)))))
$(GATE): $(call obj,$(GATE_SRC) $(filter tests/crash/% tests/faults/zombie%,$(SHARED_SRC)))
$(TESTS) $(PLAINS) $(FUZZERS):
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(KD_LD) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(SINK_LIBS) $(LIB_LIBS) $(EXTRA)

##@ See it
demo: ## install what is missing, build, and watch exactly-once survive kill -9
	@tests/support/deps.sh demo
	@$(MAKE) --no-print-directory -j$$(nproc) program
	@build/plain/bin/kdirect demo

##@ Check
test: ## install what is missing, then everything: all suites, sanitizers, the tree
	@tests/support/deps.sh test
	@tests/support/test-all.sh
# Each suite runs with the servers it needs, started for it and stopped after it.
check-unit:        ## pure functions, table by table; no server
check-sim:         ## planner, ledger, range completion and commit under a simulated clock, broker and sink, from one seed
check-mock:        ## against librdkafka's in-process brokers; no server
check-conformance: ## one suite for every transactional sink
check-pg:          ## against a throw-away PostgreSQL
check-kafka:       ## against a real Apache Kafka broker and a throw-away PostgreSQL
check-cli:         ## help, exit codes, golden output
check-connector:   ## programs and plugins of others: configuration, plugins, try, an installation; no server
check-crash:       ## kill at random and at every named fault point, restart, compare
check-wrong:       ## the judge of the judge: wrong protocols, built from patches, each of which it must catch
check-faults:      ## every other named fault: networks, zombies, PostgreSQL, Kafka, this machine
check-examples:    ## every example and tutorial, built outside the tree against an installation, and killed
SERVERS_examples    := pg kafka
SERVERS_conformance := pg
SERVERS_pg          := pg
SERVERS_kafka       := pg kafka
SERVERS_cli         := pg kafka
SERVERS_crash       := pg kafka
SERVERS_faults      := pg kafka
SERVERS_wrong       := pg kafka
$(foreach s,$(SUITES),$(eval build-$(s) run-$(s): all $(call suite,$(s))))
build-connector run-connector: | $(OTHERS) $(PLUGINS)
build-wrong run-wrong: | wrong-protocols
wrong-protocols: all
	$(Q)tests/wrong/build.sh '$(BUILD)'
build-crash run-crash: | $(VICTIM_SRC:%.c=$(BUILD)/%)
$(SUITES:%=build-%):
$(SUITES:%=run-%): run-%:
	$(Q)BUILD='$(BUILD)' SAN='$(SAN)' tests/support/run-suite.sh $* '$(SERVERS_$*)' $(filter $(BUILD)/tests/%,$^)
$(filter-out $(FAULT_SUITES:%=check-%),$(SUITES:%=check-%)): check-%: run-%
$(FAULT_SUITES:%=check-%): check-%:
	@$(MAKE) --no-print-directory FAULTS=1 run-$*
KAFKA_SINK_TESTS := kafka/test_kafka_sink conformance/test_kafka crash/test_crash_kafka faults/test_points_kafka faults/test_network_kafka_sink
check-kafka-sink: ## the Kafka sink, with a librdkafka that it takes: built once where the system's own is too old
	@path=$$(tests/support/librdkafka.sh path) || { echo '  kafka-sink: not run, see above'; \
	  mkdir -p build/rdkafka-faults/results; echo 0 0 >build/rdkafka-faults/results/kafka-sink; exit 0; }; \
	  PKG_CONFIG_PATH=$$path$${PKG_CONFIG_PATH:+:$$PKG_CONFIG_PATH} \
	  $(MAKE) --no-print-directory FAULTS=1 BUILD=build/rdkafka-faults run-kafka-sink
run-kafka-sink: all $(KAFKA_SINK_TESTS:%=$(BUILD)/tests/%)
	$(Q)BUILD='$(BUILD)' tests/support/run-suite.sh kafka-sink kafka $(filter $(BUILD)/tests/%,$^)
torture: ## the release gate, in pieces that are added up: PIECE=singles COUNT=500 SINK=postgres SEED=1, or all that is left
	@PIECE='$(PIECE)' COUNT='$(COUNT)' SINK='$(SINK)' FROM='$(FROM)' SEED='$(SEED)' tests/torture/torture.sh
torture-table: ## write what the release gate found into docs/TESTING.md
	@tests/torture/table.py docs/TESTING.md
build-torture: all $(GATE)
check-model: ## the protocol of the ledger in Promela: every state, and every rule left out is refuted
	$(Q)BUILD='$(BUILD)' tests/model/run.sh ci
check-race: ## data races under ThreadSanitizer (plain programs: criterion cannot run there)
	@$(MAKE) --no-print-directory SAN=thread run-race
run-race: $(RACE_SRC:%.c=$(BUILD)/%)
	$(Q)BUILD='$(BUILD)' SAN='$(SAN)' tests/support/run-suite.sh race '' $^
FUZZ_SECONDS ?= 60
check-fuzz: ## bytes of any kind into what reads job files, records, offsets and ledgers; FUZZ_SECONDS=60 each
	@$(MAKE) --no-print-directory CC=clang SAN=address,undefined FUZZ=1 CFLAGS='-O1 -g' run-fuzz
run-fuzz: $(FUZZERS)
	$(Q)BUILD='$(BUILD)' tests/fuzz/run.sh $(FUZZ_SECONDS) $^
check-tree: check-headers check-exports check-docs ## public headers, exported names, generated pages
check-headers: ## each public header compiles alone, as C11 and as C++
	$(Q)CC='$(CC)' CXX='$(CXX)' tests/support/check-headers.sh $(HEADERS)
check-exports: $(SHARED) ## the shared libraries export the names of tests/exports/*.txt, no more and no fewer
	$(Q)tests/support/check-exports.sh check $^
exports: $(SHARED) ## write tests/exports/*.txt
	$(Q)tests/support/check-exports.sh write $^
docs: program ## write the pages that are made from the tables in the program
	$(Q)tests/support/docs.sh write $(TOOL)
check-docs: program ## those pages are what the program says
	$(Q)tests/support/docs.sh check $(TOOL)
api: ## the reference of the public headers: $(BUILD)/api/html
	$(Q)docs/api/api.sh html $(BUILD)/api $(VERSION) $(HEADERS)
man: all ## man pages: $(BUILD)/man; "make install" takes them along once they are made
	$(Q)docs/api/api.sh man $(BUILD)/man $(VERSION) $(HEADERS)
	$(Q)docs/api/man1.sh $(BUILD)/man $(VERSION) $(TOOL) $(CONFORM) $(CONNS)
bench: all $(BENCH_SRC:%.c=$(BUILD)/%) ## the figures of the README, measured on this machine
	$(Q)BUILD='$(BUILD)' tests/support/run-bench.sh $(filter $(BUILD)/tests/%,$^)

##@ Install
install: all $(ARCHIVES:$(BUILD)/%=$(BUILD)/install/%) $(PCS) ## copy into $(DESTDIR)$(PREFIX)
	$(INSTALL) -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(INCDIR)/kdirect
	$(INSTALL) -m 755 $(TOOL) $(CONFORM) $(CONNS) $(DESTDIR)$(BINDIR)
	$(INSTALL) -m 644 $(ARCHIVES:$(BUILD)/%=$(BUILD)/install/%) $(DESTDIR)$(LIBDIR)
	for so in $(SHARED); do n=$$(basename $$so .$(SOVERSION)); \
	  $(INSTALL) -m 644 $$so $(DESTDIR)$(LIBDIR)/$$n.$(VERSION) && \
	  ln -sf $$n.$(VERSION) $(DESTDIR)$(LIBDIR)/$$n.$(SOVERSION) && \
	  ln -sf $$n.$(SOVERSION) $(DESTDIR)$(LIBDIR)/$$n || exit 1; done
	$(INSTALL) -m 644 $(HEADERS) $(DESTDIR)$(INCDIR)/kdirect
	$(INSTALL) -m 644 $(PCS) $(DESTDIR)$(LIBDIR)/pkgconfig
	for page in $(wildcard $(BUILD)/man/man[13]/*); do \
	  $(INSTALL) -D -m 644 -t $(DESTDIR)$(MANDIR)/$$(basename $$(dirname $$page)) $$page || exit 1; done
	@if [ -z '$(DESTDIR)' ] && [ "$$(id -u)" -eq 0 ] && ldconfig -v -N -X 2>/dev/null | grep -q '^$(LIBDIR):'; \
	  then ldconfig; fi
# The libraries of others are linked dynamically, also where ours are static: so they are flags here, not requirements.
PC_Description_kdirect     := exactly-once delivery from Kafka into transactional sinks
PC_Libs.private_kdirect     = $(LIB_LIBS) -pthread -lm
PC_Description_kdsinks     := the sinks of kdirect
PC_Requires_kdsinks        := kdirect
PC_Libs.private_kdsinks     = $(SINK_LIBS)
PC_Description_kdconnector := connector programs on kdirect: every verb, the options, the job file, plugins
PC_Requires_kdconnector    := kdirect
PC_Libs_kdconnector        := -Wl,--export-dynamic
PC_Libs.private_kdconnector = $(LIB_LIBS)
$(PCS): $(BUILD)/%.pc: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' 'prefix=$(PREFIX)' 'libdir=$(LIBDIR)' 'includedir=$(INCDIR)' '' 'Name: $*' \
	  'Description: $(PC_Description_$*)' 'Version: $(VERSION)' 'Requires: $(PC_Requires_$*)' \
	  'Cflags: -I$${includedir}' 'Libs: -L$${libdir} -l$* $(PC_Libs_$*)' \
	  'Libs.private: $(PC_Libs.private_$*)' >$@
clean: ## remove build/
	rm -rf build

##@ Help
help: ## this list
	@awk -F ':[^#]*## ' '/^##@/ { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@printf '\nOptions\n  SAN=address|undefined|thread  FAULTS=1  CC=clang  WERROR=1  V=1  PREFIX=  DESTDIR=\n'

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all wrong-protocols program tests deps demo test $(SUITES:%=check-%) $(SUITES:%=build-%) $(SUITES:%=run-%) check-kafka-sink run-kafka-sink check-model \
	torture torture-table build-torture \
	check-race run-race check-fuzz run-fuzz check-tree \
	check-headers check-exports exports docs check-docs api man bench install clean help FORCE
-include $(addsuffix .d,$(basename $(call obj,$(ALL_SRC))))
