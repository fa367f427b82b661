# Two stacks over a bad link, in virtual time: test_tcp_sim --only NAME --seed N repeats a run.
UNIT_TESTS += test_tcp_sim
test_tcp_sim_SRCS := tests/net/test_tcp_sim.c tests/net/sim.c tests/net/sim_link.c \
    tests/net/sim_check.c $(NET_SRCS)

# Rates, fairness, an hour of churn.
UNIT_TESTS += test_tcp_flows
test_tcp_flows_SRCS := tests/net/test_tcp_flows.c tests/net/sim.c tests/net/sim_link.c \
    tests/net/sim_check.c $(NET_SRCS)
test_tcp_flows_LIBS := -lm

# Every allocation fails once.
UNIT_TESTS += test_net_allocations
test_net_allocations_SRCS := tests/net/test_net_allocations.c tests/net/sim.c \
    tests/net/sim_link.c tests/net/sim_check.c $(NET_SRCS)
