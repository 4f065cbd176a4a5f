# How the tests run; see tests/README.md. Test programs stand in $(O)/tests/.
T := $(O)/tests

# Its tests have an OpenSSL client at the other end.
$(T)/unit-net $(T)/unit-tls: SYS_LIBS += -lssl -lcrypto

$(T)/kit-self: $(call objs,tests/kit/self) $(call objs,tests/kit)
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(LINK) -o $@ $^ -lhiredis -lcriterion

$(T)/system-tests: $(call objs,tests/system) $(call objs,tests/kit)
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(LINK) -o $@ $^ -lhiredis -lcriterion

$(T)/crash-client: $(call objs,tests/crash) $(O)/tests/kit/resp3.o
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(LINK) -o $@ $^

$(T)/faults.so: tests/faults/shim.c
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) -std=gnu11 -D_GNU_SOURCE $(WARN) -O2 -g -fPIC -shared -o $@ $< -ldl

$(T)/probe.so: tests/sandbox/probe.c
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) -std=gnu11 -D_GNU_SOURCE $(WARN) -O2 -g -fPIC -shared -o $@ $<

# All orders in which the bytes of a few clients fall into turns of the loop.
$(T)/try-turns: $(call objs,tests/turns) $(O)/tests/kit/resp3.o $(ALL_LIBS)
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(LINK) -o $@ $^ $(SYS_LIBS)

# The simulated disk: what the simulation provides instead of the C library and of the system.
SIM_WRAPS := pthread_create pthread_join pthread_detach pthread_sigmask \
    pthread_mutex_init pthread_mutex_destroy pthread_mutex_lock pthread_mutex_trylock \
    pthread_mutex_unlock pthread_cond_init pthread_cond_destroy pthread_cond_wait \
    pthread_cond_clockwait pthread_cond_signal pthread_cond_broadcast sched_yield usleep nanosleep \
    clock_real_ns clock_mono_us clock_wall_us clock_wall_ms clock_refresh rng_system getpid dup \
    syscall getpriority child_start child_poll child_reap child_kill child_report child_fail \
    child_private_dirty
comma := ,
# Its threads share what belongs to a thread, and so would share cells: it has the C library's allocator.
$(T)/powercut: $(call objs,tests/sim) $(O)/tools/mem_libc.o $(call libs_for,persistence)
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(LINK) -o $@ $^ $(SYS_LIBS) $(patsubst %,-Wl$(comma)--wrap=%,$(SIM_WRAPS))

# The simulated disk as a mounted one. Needs libfuse3-dev, /dev/fuse and root: `make fuse`.
$(T)/disk_fuse: $(O)/tests/fuse/disk_fuse.o $(patsubst %,$(O)/tests/sim/%.o,disk disk_cut disk_inode) $(call libs_for,base)
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(LINK) -o $@ $^ $(SYS_LIBS) -lfuse3

include tests/fuzz/fuzz.mk

TEST_PROGRAMS := $(T)/fuzz-replay $(UNIT_BINS) $(T)/kit-self $(T)/system-tests $(T)/crash-client $(T)/faults.so $(T)/probe.so $(T)/powercut $(T)/try-turns

# What the test programs need to know, and how sanitizers report. A server looks for leaks when it
# stops; a Criterion program does not, it would find the framework's.
TEST_ENV := STET_BIN=$(abspath $(BIN)) STET_TOOLS=$(abspath $(T)) STET_FLAVOUR=$(FLAVOUR) \
    ASAN_OPTIONS=abort_on_error=1:detect_leaks=0 \
    STET_SERVER_ASAN_OPTIONS=abort_on_error=1:detect_leaks=1 \
    UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
    TSAN_OPTIONS=second_deadlock_stack=1:report_signal_unsafe=0
RUN = $(TEST_ENV) tests/run
CRITERION := -j2 --timeout 120

unit_suite = 'unit-$(1)=$(T)/unit-$(1) $(CRITERION)'
UNIT_SUITES := $(foreach l,$(UNIT_LAYERS),$(call unit_suite,$(l))) 'unit-testkit=$(T)/kit-self $(CRITERION)'
SYSTEM_SUITE := 'system=$(T)/system-tests $(CRITERION)'
FILE_SUITES := 'instructions=tests/instructions/instructions.py' 'golden=tests/golden/replay.py' 'facts=tests/facts/facts.py' 'check-config=tests/facts/check_config.py' 'rows=tests/rows.py' 'reference=tools/reference --check' 'docs=tests/docs/docs.py' 'first-hour=tests/docs/first_hour.py' 'system-install=tests/packages/system.py' \
    'real-files=tests/files/load.py' 'rdb-files=tests/files/rdb.py' 'check-rdb=tests/files/check_rdb.py' 'damaged-files=tests/files/crash.py' \
    'damaged-marks=tests/files/marks.py' 'repairs=tests/files/repairs.py --rounds 1' 'crash-points=tests/steps/steps.py'
# What the other ways of reading and writing could break: see server/net/README.md. With threads the
# bytes of several clients come in no certain order, which the tests of turns need.
BACKEND_SUITES := 'system-threads=STET_SERVER=$(CURDIR)/tests/kit/threaded $(T)/system-tests $(CRITERION) '"--filter '@(protocol|gates|busy|connection|pubsub)/*'" \
    'system-polled=STET_SERVER=$(CURDIR)/tests/kit/polled $(T)/system-tests $(CRITERION) '"--filter '@(protocol|gates|turns|pubsub)/*'" 'tls-threads=STET_SERVER=$(CURDIR)/tests/kit/threaded tests/tls/tls.py'
OTHER_SUITES := 'beside=tests/beside.py' 'replication=tests/replication/all.py' 'interop=tests/interop/interop.py' 'migrate=tests/interop/migrate.py' 'redis-cli=tests/interop/clients.py' 'clients=tests/clients/clients.py' 'double-rivals=tests/double/rivals.py' 'double-examples=tests/double/examples.py' 'sandbox=tests/sandbox/sandbox.py' \
    'turns=$(T)/try-turns --programs 60' 'fuzz-targets=$(T)/fuzz-replay tests/fuzz/corpus' 'fuzz-restore=tests/fuzz/restore.py --rounds 40' 'fuzz-files=tests/fuzz/files.py --rounds 2000' 'fuzz-scripts=tests/fuzz/scripts.py --rounds 20' 'fuzz-patterns=tests/fuzz/patterns.py --rounds 2' 'fuzz-documents=tests/fuzz/documents.py --rounds 5' 'fuzz-framing=tests/fuzz/framing.py --rounds 10' 'edges=tests/fuzz/edges.py' 'fuzz-clients=tests/fuzz/clients.py --seconds 8' \
    'differential=tests/differential/differential.py --worlds 12 --seconds 60' 'reload=tests/differential/reload.py' 'acl=tests/differential/acl.py' 'crowd=tests/differential/crowd.py --worlds 100 --seconds 30' 'wrong=tests/differential/wrong.py --seconds 8' 'watch=tests/differential/watch.py --seconds 8' 'vset=tests/differential/vset.py' \
    'faults=tests/faults/faults.py' 'loop=tests/faults/loop_all.py' 'directory=tests/faults/directory.py' 'soak=tests/soak/soak.py --seconds 12' 'powercut=$(T)/powercut --jobs 2 --seeds 30000' 'powercut-sweep=$(T)/powercut --sweep --jobs 2 --seeds 12800' 'outage=$(T)/powercut --outage --jobs 2 --seeds 100' 'model=tests/model/model.py' 'attacks=tests/attacks/attacks.py' 'kill-9=tests/crash/crash.py --rounds 6' $(BACKEND_SUITES)

# The packages may have to be installed first, and what is installed decides how it is built.
test: setup-test
	@$(MAKE) --no-print-directory test-all

test-all: all $(TEST_PROGRAMS)
	@$(RUN) $(UNIT_SUITES) $(SYSTEM_SUITE) $(FILE_SUITES) $(OTHER_SUITES)

test-programs: all $(TEST_PROGRAMS)

unit-programs: $(UNIT_BINS) $(T)/kit-self

unit: $(UNIT_BINS) $(T)/kit-self
	@$(RUN) $(UNIT_SUITES)

# One layer: make unit-exec.
UNIT_TARGETS := $(addprefix unit-,$(UNIT_LAYERS))
$(UNIT_TARGETS): unit-%: $(T)/unit-%
	@$(RUN) $(call unit_suite,$*)

system: all $(T)/system-tests
	@$(RUN) $(SYSTEM_SUITE)

golden: all
	@$(TEST_ENV) tests/golden/replay.py

crash: all $(T)/crash-client
	@$(TEST_ENV) tests/crash/crash.py --rounds $(ROUNDS)

powercut: $(T)/powercut
	@$(RUN) 'powercut=$(T)/powercut --jobs 2 --seeds $(SEEDS) --from $(SEED)' \
	    'powercut-sweep=$(T)/powercut --sweep --jobs 2 --seeds $(SEEDS) --from $(SEED)' \
	    'outage=$(T)/powercut --outage --jobs 2 --seeds $$(( $(SEEDS) / 100 )) --from $(SEED)'

# All orders of programs from SEED on; each has up to 200,000.
turns: $(T)/try-turns
	@$(RUN) 'turns=$(T)/try-turns --programs $(PROGRAMS) --seed $(SEED) --orders 200000'

# Needs Spin (tools/setup --test).
model:
	@$(RUN) 'model=tests/model/model.py'

soak: all $(T)/faults.so
	@$(TEST_ENV) tests/soak/soak.py --seconds $(SECONDS)

# Each program for so long. The first needs root, for network namespaces; without them servers are stopped instead.
chaos: all $(T)/faults.so
	@$(RUN) 'chaos=tests/replication/chaos.py --seconds $(SECONDS) --seed $(SEED)' \
	    'roles=tests/replication/roles.py --seconds $(SECONDS) --seed $(SEED)' \
	    'together=tests/testdouble/together.py --seconds $(SECONDS) --seed $(SEED)'

clients: setup-clients
	@$(MAKE) --no-print-directory all packages
	@$(RUN) 'clients=STET_JOBS=10000 tests/clients/clients.py' 'http=tests/http/all.py' $(PACKAGE_SUITES)

# Each package is installed and used. The examples of tests/double run with the installed packages.
# Needs root, and for the first run a network.
DEB_SUITE := 'deb=tests/packages/deb.py' 'container=tests/packages/container.py'
PACKAGE_SUITES := 'dist=tests/packages/dist.py' 'packages=tests/packages/packages.py' 'double-projects=tests/double/double.py'
packages-test: setup-clients
	@tools/setup --deb
	@$(MAKE) --no-print-directory packages docs
	@$(RUN) $(PACKAGE_SUITES) $(DEB_SUITE)

differential: all
	@$(RUN) 'differential=tests/differential/differential.py --seconds $(SECONDS) --seed $(SEED)' \
	    'crowd=tests/differential/crowd.py --seconds $(SECONDS) --seed $(SEED)'

# What a sanitizer finds here, no unit test has found.
REPLICATION_SUITES := 'master=python3 tests/replication/master.py' 'replica=python3 tests/replication/replica.py' 'histories=python3 tests/replication/histories.py'

# asan and ubsan: everything that feeds the server input, well-formed and not.
test-in-flavour: all $(T)/fuzz-replay $(T)/try-turns $(UNIT_BINS) $(T)/kit-self $(T)/system-tests $(T)/crash-client
	@$(RUN) $(UNIT_SUITES) $(SYSTEM_SUITE) $(FILE_SUITES) 'tls=tests/tls/tls.py' \
	    'interop=tests/interop/interop.py --rounds 6' 'kill-9=tests/crash/crash.py --rounds 2' \
	    'turns=$(T)/try-turns --programs 20' 'fuzz-targets=$(T)/fuzz-replay tests/fuzz/corpus' 'fuzz-restore=tests/fuzz/restore.py --rounds 20' 'fuzz-files=tests/fuzz/files.py --rounds 500' 'fuzz-scripts=tests/fuzz/scripts.py --rounds 20' 'fuzz-patterns=tests/fuzz/patterns.py --rounds 2' 'fuzz-framing=tests/fuzz/framing.py --rounds 3' 'edges=tests/fuzz/edges.py' 'fuzz-clients=tests/fuzz/clients.py --seconds 20' 'fuzz-documents=tests/fuzz/documents.py' $(REPLICATION_SUITES)

# tsan: only ordinary programs; Criterion's sandbox does not start under it. A report of the
# thread sanitizer in a server's log fails the suite that ran the server.
test-tsan: all $(T)/crash-client
	@$(RUN) 'golden=tests/golden/replay.py' 'damaged-files=tests/files/crash.py' \
	    'interop=tests/interop/interop.py --rounds 6' 'kill-9=tests/crash/crash.py --rounds 3' 'threads=STET_SERVER=$(CURDIR)/tests/kit/threaded tests/crash/crash.py --rounds 3' 'tls-threads=STET_SERVER=$(CURDIR)/tests/kit/threaded tests/tls/tls.py' $(REPLICATION_SUITES)

fuse: all $(T)/disk_fuse
	@$(RUN) 'fuse=tests/fuse/twice.py --seconds $(SECONDS) --seed $(SEED)' 'seen=tests/fuse/seen.py --seconds $(SECONDS) --seed $(SEED)'

.PHONY: $(UNIT_TARGETS) test-programs unit-programs fuse chaos turns test test-all unit system golden crash powercut model soak differential clients packages-test test-in-flavour test-tsan
