FUZZ_TARGETS += fuzz_aot
fuzz_aot_SRCS := tests/fuzz/fuzz_aot.c tests/hosted/load_module.c $(AOT_INPUT_SRCS)
