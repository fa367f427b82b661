# Unit tests of aot: see the Makefile's UNIT_TESTS.
