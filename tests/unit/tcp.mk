# Unit tests of tcp: see the Makefile's UNIT_TESTS.
