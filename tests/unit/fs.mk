# Unit tests of fs: see the Makefile's UNIT_TESTS.
