# Unit tests of trace: see the Makefile's UNIT_TESTS.
UNIT_TESTS += test_trace_decode test_trace_packet
test_trace_decode_SRCS := tests/unit/test_trace_decode.c trace/decode.c trace/names.c trace/text.c kernel/base/fmt.c \
    net/ip_text.c $(WASI_TEST_SRCS)
test_trace_packet_SRCS := tests/unit/test_trace_packet.c trace/packet.c trace/text.c kernel/base/fmt.c \
    net/ip_text.c
