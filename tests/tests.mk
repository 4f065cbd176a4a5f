# How the tests run; see tests/README.md.
test: setup-test
	@$(MAKE) all

golden: all
	STET_BIN=$(BIN) tests/golden/replay.py

.PHONY: test golden
