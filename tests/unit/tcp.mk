# Unit tests of tcp: see the Makefile's UNIT_TESTS.
TCP_HARNESS_SRCS := tests/unit/tcp_harness.c $(NET_SRCS)

UNIT_TESTS += test_tcp_states
test_tcp_states_SRCS := tests/unit/test_tcp_states.c $(TCP_HARNESS_SRCS)

UNIT_TESTS += test_tcp_listen
test_tcp_listen_SRCS := tests/unit/test_tcp_listen.c $(TCP_HARNESS_SRCS)

UNIT_TESTS += test_tcp_data
test_tcp_data_SRCS := tests/unit/test_tcp_data.c $(TCP_HARNESS_SRCS)

UNIT_TESTS += test_tcp_fair
test_tcp_fair_SRCS := tests/unit/test_tcp_fair.c $(TCP_HARNESS_SRCS)

UNIT_TESTS += test_tcp_recovery
test_tcp_recovery_SRCS := tests/unit/test_tcp_recovery.c $(TCP_HARNESS_SRCS)

# Plays tests/net/scripts/.
UNIT_TESTS += test_tcp_scripts
test_tcp_scripts_SRCS := tests/net/test_tcp_scripts.c tests/net/script_line.c \
    $(TCP_HARNESS_SRCS)

UNIT_TESTS += test_net_timer
test_net_timer_SRCS := tests/unit/test_net_timer.c net/timer.c net/hash.c

UNIT_TESTS += test_tcp_predict
test_tcp_predict_SRCS := tests/unit/test_tcp_predict.c $(TCP_HARNESS_SRCS)
