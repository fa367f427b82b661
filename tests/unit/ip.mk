# Unit tests of ip: see the Makefile's UNIT_TESTS.
NET_HARNESS_SRCS := tests/unit/net_harness.c $(filter-out net/tcp_%,$(NET_SRCS))

UNIT_TESTS += test_ip_link
test_ip_link_SRCS := tests/unit/test_ip_link.c $(NET_HARNESS_SRCS)
