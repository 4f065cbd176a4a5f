# How the tests run; see tests/README.md.
KIT_OBJS := $(call objs,tests/kit)
TEST_PROGRAMS := $(O)/tests/kit-self $(O)/tests/system-tests

$(O)/tests/kit-self: $(call objs,tests/kit/self) $(KIT_OBJS)
	@mkdir -p $(@D)
	$(LINK) -o $@ $^ -lhiredis -lcriterion

$(O)/tests/system-tests: $(call objs,tests/system) $(KIT_OBJS)
	@mkdir -p $(@D)
	$(LINK) -o $@ $^ -lhiredis -lcriterion

$(O)/tests/crash-client: $(call objs,tests/crash) $(O)/tests/kit/resp3.o
	@mkdir -p $(@D)
	$(LINK) -o $@ $^

test: setup-test
	@$(MAKE) all

golden: all
	STET_BIN=$(BIN) tests/golden/replay.py

.PHONY: test golden
