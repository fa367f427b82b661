# Unit tests of wasi: see the Makefile's UNIT_TESTS.
