# Unit tests of kernel: see the Makefile's UNIT_TESTS.
