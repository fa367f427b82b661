FUZZ_TARGETS += fuzz_aot
fuzz_aot_SRCS := tests/fuzz/fuzz_aot.c $(AOT_INPUT_SRCS)
