# How the tests run; see tests/README.md.
test: setup-test
	@$(MAKE) all
