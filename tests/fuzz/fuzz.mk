# The fuzz targets: tests/fuzz/targets/NAME.c, each with a corpus in tests/fuzz/corpus/NAME.
FUZZ_CC  ?= clang
FUZZ_DIR := tests/fuzz/targets
FUZZ_NAMES := $(basename $(notdir $(wildcard $(FUZZ_DIR)/*.c)))
FUZZ_KIT := $(O)/tests/fuzz/kit/fuzz.o
TARGET   ?= all

# Without a fuzzer: all targets in one program, which replays the corpora.
$(O)/tests/fuzz/kit/replay.o: ALL_CFLAGS += -DFUZZ_TARGETS='$(foreach n,$(FUZZ_NAMES),X($(n)))'
$(O)/tests/fuzz/kit/replay.o: $(wildcard $(FUZZ_DIR)/*.c)
$(T)/fuzz-replay: $(O)/tests/fuzz/kit/replay.o $(FUZZ_KIT) $(call objs,$(FUZZ_DIR)) $(ALL_LIBS)
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(LINK) -o $@ $^ $(SYS_LIBS)

# With libFuzzer, address and undefined sanitizers: a program a target (FLAVOUR=fuzz).
$(T)/fuzz-%: $(O)/$(FUZZ_DIR)/%.o $(FUZZ_KIT) $(ALL_LIBS)
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(LINK) -fsanitize=fuzzer -o $@ $^ $(SYS_LIBS)

fuzz:
	@tests/fuzz/fuzz $(FUZZ_CC) $(BUILD) '$(FUZZ_NAMES)' $(TARGET) $(SECONDS)

# What was found and reaches more code joins the corpus.
fuzz-keep:
	@tests/fuzz/keep $(BUILD) '$(FUZZ_NAMES)' $(TARGET)

# What the corpora reach, by file.
fuzz-coverage:
	@tests/fuzz/coverage $(FUZZ_CC) $(BUILD)

.PHONY: fuzz fuzz-keep fuzz-coverage
