# Fuzz targets of wasi: see the Makefile's FUZZ_TARGETS.
FUZZ_TARGETS += fuzz_wasi
fuzz_wasi_SRCS := tests/fuzz/fuzz_wasi.c tests/fuzz/wasi_invariants.c trace/decode.c trace/names.c \
    trace/text.c net/ip_text.c $(WASI_SRCS) $(FS_SRCS) tests/unit/fake_wasi.c \
    tests/unit/fake_net_socket.c tests/unit/fake_dns.c kernel/base/fmt.c
