# Unit tests of drivers: see the Makefile's UNIT_TESTS.
