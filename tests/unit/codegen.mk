# Unit tests of the compiler's back half: see the Makefile's UNIT_TESTS.
UNIT_TESTS += test_aot_layout
test_aot_layout_SRCS := tests/unit/test_aot_layout.c tests/unit/aot_helpers.c tests/hosted/load_module.c aot/layout.c $(AOT_INPUT_SRCS)
