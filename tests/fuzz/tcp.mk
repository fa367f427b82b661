# TCP: segments, socket calls and time in any order.
FUZZ_TARGETS += fuzz_tcp
fuzz_tcp_SRCS := tests/fuzz/fuzz_tcp.c tests/net/sim.c tests/net/sim_link.c \
    tests/net/sim_check.c $(NET_SRCS)
