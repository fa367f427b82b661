# Fuzz targets of the internet layer: see the Makefile's FUZZ_TARGETS.
FUZZ_TARGETS += fuzz_ip
fuzz_ip_SRCS = tests/fuzz/fuzz_ip.c $(NET_HARNESS_SRCS)
