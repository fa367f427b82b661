# Unit tests of ip: see the Makefile's UNIT_TESTS.
NET_HARNESS_SRCS := tests/unit/net_harness.c $(filter-out net/tcp_%,$(NET_SRCS))

UNIT_TESTS += test_ip_link test_ip_udp test_ip_dhcp
test_ip_link_SRCS := tests/unit/test_ip_link.c $(NET_HARNESS_SRCS)
test_ip_udp_SRCS := tests/unit/test_ip_udp.c $(NET_HARNESS_SRCS)
test_ip_dhcp_SRCS := tests/unit/test_ip_dhcp.c $(NET_HARNESS_SRCS)

UNIT_TESTS += test_ip_dns test_ip_v6
test_ip_dns_SRCS := tests/unit/test_ip_dns.c $(NET_HARNESS_SRCS)
test_ip_v6_SRCS := tests/unit/test_ip_v6.c $(NET_HARNESS_SRCS)
