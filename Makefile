# stet: one Makefile, not recursive. Objects and libraries stand in $(BUILD)/<flavour>/, the release
# programs in $(BUILD)/. `make help` lists the targets. V=1 shows the commands.

# As many jobs as there are CPUs, unless the command line says otherwise.
ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc)
endif

BUILD    ?= build
FLAVOUR  ?= release
PREFIX   ?= /usr/local
DESTDIR  ?=
ROUNDS   ?= 100
SECONDS  ?= 60
SEED     ?= 1
SEEDS    ?= 1000000
PROGRAMS ?= 1000
O        := $(BUILD)/$(FLAVOUR)
BIN      := $(if $(filter release,$(FLAVOUR)),$(BUILD),$(O))

CFLAGS_release  := -O3 -g -DSTET_JEMALLOC
LIBS_release    := -ljemalloc
LINK_release    := -static-libgcc
# For packages: runs on other machines, so libraries are linked statically where there is an archive;
# tools/packages puts the remaining ones beside the programs, in lib/.
CFLAGS_portable := -O2 -g -ffunction-sections -fdata-sections -DSTET_JEMALLOC
LINK_portable   := -static-libgcc -Wl,--gc-sections -Wl,-rpath,'$$ORIGIN/../lib'
# For work on the code: builds quickly, and costly conditions are checked.
CFLAGS_dev      := -O1 -g -DSTET_JEMALLOC -DSTET_DCHECK
LIBS_dev        := -ljemalloc
# Hardening. Everything that reads what others wrote, or runs seldom, has all of it; the folders that
# each command passes through have what costs them nothing. No -fcf-protection: a program has it only
# if all its objects do, and Debian's liblua5.1.a does not. Counted by callgrind: 0.2 % more instructions
# for SET and GET at P=100, none at P=1; all of it everywhere would be 5 %.
HARD_release      := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong
HARD_HOT_release  := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
HARD_LINK_release := -Wl,-z,relro,-z,now,-z,noexecstack
HARD_portable      := $(HARD_release)
HARD_HOT_portable  := $(HARD_HOT_release)
HARD_LINK_portable := $(HARD_LINK_release)
HOT_DIRS := storage protocol server/exec server/commands server/net server/tls
CFLAGS_asan     := -O1 -g -fsanitize=address -fno-omit-frame-pointer -DSTET_DCHECK
CFLAGS_ubsan    := -O1 -g -fsanitize=undefined -fno-sanitize-recover=all -DSTET_DCHECK
# Both at once, for the unit tests of a change.
CFLAGS_sanitize := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -DSTET_DCHECK
CFLAGS_tsan     := -O1 -g -fsanitize=thread -DSTET_DCHECK
# By clang only: see "make fuzz". It calls NULL + 0 an overflow of a pointer.
CFLAGS_fuzz     := -O1 -g -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize=pointer-overflow -fno-sanitize-recover=all -DSTET_DCHECK -DSTET_LIBFUZZER
CFLAGS_cover    := -O1 -g -fprofile-instr-generate -fcoverage-mapping -DSTET_DCHECK
OPT      := $(CFLAGS_$(FLAVOUR))
ifeq ($(OPT),)
$(error unknown FLAVOUR '$(FLAVOUR)': release, portable, dev, asan, ubsan, sanitize, tsan, fuzz, cover)
endif

WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
            -Wno-missing-field-initializers
VERSION  := $(shell cat VERSION)
# A source tarball has the file .revision instead of .git (tools/dist).
GITSHA   := $(shell cut -c1-8 .revision 2>/dev/null || git rev-parse --short=8 HEAD 2>/dev/null || echo 00000000)
LZF_CFLAGS := $(shell pkg-config --cflags liblzf 2>/dev/null)
LUA_CFLAGS := $(shell pkg-config --cflags lua5.1 2>/dev/null)
# Linked into the program where it can be: a call of Lua's interface is then a call.
static = $(if $(findstring /,$(shell $(CC) -print-file-name=lib$(1).a)),$(shell $(CC) -print-file-name=lib$(1).a),-l$(1:_pic=))
LUA_LIB  := $(call static,lua5.1)
# Packages are small: what no command of the usual ones passes through is built for size.
SIZE_portable := -Os
SIZE     = $(if $(filter-out $(SELDOM),$(filter $(addsuffix /%,$(HOT_DIRS)),$<)),,$(SIZE_$(FLAVOUR)))
SELDOM   := $(foreach d,storage server/commands,$(foreach f,json vset bloom cuckoo countmin topk tdigest sketch regex geo hyperloglog stream_idmp,$(d)/$(f)%))
# The simulation changes stacks by longjmp, which _FORTIFY_SOURCE takes for an attack.
HARD     = $(if $(filter tests/sim/%,$<),-U_FORTIFY_SOURCE,$(if $(filter $(addsuffix /%,$(HOT_DIRS)),$<),$(HARD_HOT_$(FLAVOUR)),$(HARD_$(FLAVOUR))))
ALL_CFLAGS = -std=gnu11 -ffp-contract=off -D_GNU_SOURCE $(WARN) $(OPT) $(SIZE) $(HARD) -I. $(LZF_CFLAGS) $(LUA_CFLAGS) -fPIE -pthread -MMD -MP $(CFLAGS)
LINK     = $(CC) $(OPT) $(HARD_LINK_$(FLAVOUR)) $(LINK_$(FLAVOUR)) -pie $(NAMES) -pthread $(LDFLAGS)
# The names of functions, for the stack of a crash; in packages the server alone has them.
NAMES    = $(if $(and $(filter portable,$(FLAVOUR)),$(filter-out %/stet-server,$@)),,-rdynamic)

# Layers, lowest first. Each is a static library; a unit test links its own and the lower ones.
LIB_ORDER := base ds storage protocol conf tls persistence exec commands scripting replication admin cluster double http net sandbox
DIR_base := storage/base
DIR_ds := storage/ds
DIR_storage := storage
DIR_protocol := protocol
DIR_conf := conf
DIR_tls := server/tls
DIR_persistence := persistence
DIR_exec := server/exec
DIR_commands := server/commands
DIR_scripting := server/scripting
DIR_replication := server/replication
DIR_admin := server/admin
DIR_cluster := server/cluster
DIR_double := server/double
DIR_http := server/http
DIR_net := server/net
DIR_sandbox := server/sandbox

below = $(if $(filter $(1),$(firstword $(2))),$(1),$(firstword $(2)) $(call below,$(1),$(wordlist 2,99,$(2))))
reverse = $(if $(1),$(call reverse,$(wordlist 2,99,$(1))) $(firstword $(1)))
libs_for = $(patsubst %,$(O)/lib%.a,$(call reverse,$(call below,$(1),$(LIB_ORDER))))
ALL_LIBS := $(patsubst %,$(O)/lib%.a,$(call reverse,$(LIB_ORDER)))

# io_uring, where liburing is installed: else epoll serves all connections.
URING_LIB := $(if $(wildcard $(shell pkg-config --variable=includedir liburing 2>/dev/null)/liburing.h),$(call static,uring))

ifeq ($(FLAVOUR),portable)
SYS_LIBS := $(foreach l,event_core isal lzf jemalloc_pic,$(call static,$(l))) $(LUA_LIB) $(URING_LIB) -lm -ldl
else
SYS_LIBS := -levent_core -lisal -llzf $(LUA_LIB) $(URING_LIB) -lm -ldl $(LIBS_$(FLAVOUR))
endif

# Linked into the programs, jemalloc costs a call less, and brings no C++ library into the process; each
# library that need not be loaded makes the start shorter. Not into tests: the simulation replaces the
# threads of what is linked into it.
PROGRAM_LIBS := $(patsubst -ljemalloc,$(call static,jemalloc_pic),$(patsubst -levent_core,$(call static,event_core),$(SYS_LIBS)))

say = $(if $(V),,@printf '  %-4s %s\n' $(1) $(2);)

objs = $(patsubst %.c,$(O)/%.o,$(wildcard $(1)/*.c))
PROGRAMS := $(BIN)/stet-server $(BIN)/stet-check-aof $(BIN)/stet-check-rdb $(BIN)/stet-backup

all: $(PROGRAMS)

define LIB_RULE
$(O)/lib$(1).a: $(call objs,$(DIR_$(1)))
	$$(call say,AR,$$@)rm -f $$@ && ar rcs $$@ $$^
endef
$(foreach l,$(LIB_ORDER),$(eval $(call LIB_RULE,$(l))))

# What is missing is named with its package, once, instead of a compiler's error about a header.
# UNCHECKED=1 leaves this out, for libraries that pkg-config does not know.
CHECKED      := $(if $(UNCHECKED),,$(BUILD)/checked)
CHECKED_TEST := $(if $(UNCHECKED),,$(BUILD)/checked-test)
$(BUILD)/checked: tools/setup
	@mkdir -p $(@D)
	@tools/setup --check
	@touch $@
$(BUILD)/checked-test: tools/setup
	@mkdir -p $(@D)
	@tools/setup --check-test
	@touch $@

$(O)/tests/%.o: tests/%.c | $(CHECKED_TEST)
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(ALL_CFLAGS) -c -o $@ $<
$(O)/%.o: %.c | $(CHECKED)
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(ALL_CFLAGS) -c -o $@ $<

# It takes these files in.
$(O)/server/http/page.o: $(wildcard server/http/page/*)

# The only files that know the version, and the one that knows the commit it was built from.
VERSIONED := $(patsubst %,$(O)/%.o,server/version server/admin/info_fields tools/check_aof tools/check_rdb tools/backup)
$(VERSIONED): VERSION
$(VERSIONED): ALL_CFLAGS += -DSTET_VERSION='"$(VERSION)"'
$(O)/server/version.o: ALL_CFLAGS += -DSTET_GITSHA='"$(GITSHA)"'

# For editors and clang's tools: how each file is compiled.
SOURCES := $(shell git ls-files -co --exclude-standard '*.c' 2>/dev/null)
compile_commands.json:
	@{ printf '['; sep=; for f in $(SOURCES); do \
	    printf '%s\n{"directory": "%s", "file": "%s", "command": "%s"}' "$$sep" '$(CURDIR)' "$$f" \
	        '$(CC) $(filter-out -MMD -MP,$(ALL_CFLAGS)) -DSTET_VERSION=\\\"0\\\" -DSTET_GITSHA=\\\"0\\\" -c '"$$f"; sep=,; \
	done; printf '\n]\n'; } >$@

$(BIN)/stet-server: $(call objs,server) $(ALL_LIBS)
	$(call say,LINK,$@)$(LINK) -o $@ $^ $(PROGRAM_LIBS)

# In packages the check tools use the C library's allocator: jemalloc in each of them is 0.4 MB more.
$(O)/tools/mem_libc.o: storage/base/mem.c | $(CHECKED)
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(ALL_CFLAGS) -USTET_JEMALLOC -c -o $@ $<
TOOL_MEM_portable  := $(O)/tools/mem_libc.o
TOOL_LIBS_portable := $(call static,lzf) $(call static,isal) -lm -ldl
TOOL_MEM  := $(TOOL_MEM_$(FLAVOUR))
TOOL_LIBS := $(or $(TOOL_LIBS_$(FLAVOUR)),$(PROGRAM_LIBS))

$(BIN)/stet-check-aof: $(patsubst %.c,$(O)/%.o,$(wildcard tools/check_aof*.c)) $(O)/tools/key_set.o $(TOOL_MEM) $(call libs_for,persistence)
	$(call say,LINK,$@)$(LINK) -o $@ $^ $(TOOL_LIBS)

$(BIN)/stet-backup: $(patsubst %.c,$(O)/%.o,$(wildcard tools/backup*.c)) $(TOOL_MEM) $(call libs_for,persistence)
	$(call say,LINK,$@)$(LINK) -o $@ $^ $(TOOL_LIBS)

$(BIN)/stet-check-rdb: $(O)/tools/check_rdb.o $(O)/tools/key_set.o $(TOOL_MEM) $(call libs_for,persistence)
	$(call say,LINK,$@)$(LINK) -o $@ $^ $(TOOL_LIBS)

# ---------------------------------------------------------------- tests
UNIT_LAYERS := $(notdir $(wildcard tests/unit/*))
UNIT_BINS := $(patsubst %,$(O)/tests/unit-%,$(UNIT_LAYERS))

# These run on the engine of exec's tests.
UNIT_HELP_net := $(O)/tests/unit/exec/exec_help.o
UNIT_HELP_scripting := $(UNIT_HELP_net)
UNIT_HELP_replication := $(UNIT_HELP_net)
UNIT_HELP_cluster := $(UNIT_HELP_net)
UNIT_HELP_double := $(O)/tests/unit/admin/admin_help.o

define UNIT_RULE
$(O)/tests/unit-$(1): $(call objs,tests/unit/$(1)) $(UNIT_HELP_$(1)) $(call libs_for,$(1))
	@mkdir -p $$(@D)
	$$(call say,LINK,$$@)$$(LINK) -o $$@ $$^ $$(SYS_LIBS) -lcriterion
endef
$(foreach l,$(UNIT_LAYERS),$(eval $(call UNIT_RULE,$(l))))

include tests/tests.mk

help:
	@echo 'make            build $(BUILD)/stet-server and the tools'
	@echo 'make run        install what is missing, build, serve on 127.0.0.1:6379 with redis-compat.conf'
	@echo 'make test       install what is missing, build, run every test, print the counts'
	@echo 'make unit-LAYER builds and runs the unit tests of one layer: $(UNIT_LAYERS)'
	@echo 'make FLAVOUR=dev ... builds quickly (-O1) and checks more; V=1 shows the commands'
	@echo 'make compile_commands.json   for editors; make lint-all forgets which files were clean'
	@echo 'make unit | system | lint | asan | ubsan | tsan | crash ROUNDS=n | powercut SEEDS=n | chaos SECONDS=n SEED=s | turns PROGRAMS=n | fuse SECONDS=n | differential SECONDS=n SEED=s | fuzz TARGET=x SECONDS=n | fuzz-coverage | clients | bench | reference | docs | dist | deb | packages | tarball | packages-test | install | uninstall | clean'

setup:
	@tools/setup
setup-test:
	@tools/setup --test
setup-clients:
	@tools/setup --clients

run: setup
	@$(MAKE) all
	@mkdir -p data
	@echo 'serving on 127.0.0.1:6379 with redis-compat.conf, data in ./data'
	@$(BUILD)/stet-server redis-compat.conf

# Formats are remembered by content; lint-all checks every file again.
lint:
	@tools/lint
lint-all:
	@tools/lint --all

asan ubsan:
	@$(MAKE) FLAVOUR=$@ all test-in-flavour
tsan:
	@$(MAKE) FLAVOUR=tsan all test-tsan

bench: all
	tools/bench/run

# docs/configuration.md and docs/commands.md, from the tables.
reference: all
	@tools/reference

# SYSCONFDIR and LOCALSTATEDIR are /etc and /var, or below a PREFIX of one's own.
INSTALL := PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' SYSCONFDIR='$(SYSCONFDIR)' LOCALSTATEDIR='$(LOCALSTATEDIR)' \
    BIN='$(abspath $(BIN))' packages/system/install.sh
install: all
	@$(INSTALL) install
uninstall:
	@$(INSTALL) uninstall

# The sources of the commit as a tarball, in $(BUILD)/dist.
dist:
	@tools/dist $(BUILD)/dist

# Debian's packages of the commit, in $(BUILD)/deb.
deb:
	@tools/setup --deb
	@tools/deb

# The pages as plain HTML, in $(BUILD)/docs.
docs:
	@tools/setup --docs
	@tools/docs $(BUILD)/docs
	@tests/docs/site.py $(BUILD)/docs

# The portable programs in a tarball, and a package for each language, in $(BUILD)/packages.
packages:
	@$(MAKE) --no-print-directory FLAVOUR=portable all
	@tools/packages

# The portable programs alone; fails if they are larger than packages may be.
tarball:
	@$(MAKE) --no-print-directory FLAVOUR=portable all
	@tools/packages tarball

clean:
	rm -rf $(BUILD)

-include $(shell find $(O) -name '*.d' 2>/dev/null)
.PHONY: all packages tarball compile_commands.json help setup setup-test setup-clients run lint lint-all asan ubsan tsan bench reference docs dist deb install uninstall clean
