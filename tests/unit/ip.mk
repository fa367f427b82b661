# Unit tests of ip: see the Makefile's UNIT_TESTS.
