# Unit tests of aot: see the Makefile's UNIT_TESTS.
UNIT_TESTS += test_aot_reader
test_aot_reader_SRCS := tests/unit/test_aot_reader.c aot/reader.c aot/diag.c aot/sha256.c

UNIT_TESTS += test_aot_decode
test_aot_decode_SRCS := tests/unit/test_aot_decode.c tests/unit/aot_helpers.c tests/hosted/load_module.c $(AOT_INPUT_SRCS)

UNIT_TESTS += test_aot_validate
test_aot_validate_SRCS := tests/unit/test_aot_validate.c tests/unit/aot_helpers.c tests/hosted/load_module.c $(AOT_INPUT_SRCS)

UNIT_TESTS += test_aot_debug_lines
test_aot_debug_lines_SRCS := tests/unit/test_aot_debug_lines.c tests/unit/aot_helpers.c tests/hosted/load_module.c $(AOT_INPUT_SRCS)

UNIT_TESTS += test_aot_dwarf
test_aot_dwarf_SRCS := tests/unit/test_aot_dwarf.c tests/unit/aot_helpers.c tests/hosted/load_module.c $(AOT_INPUT_SRCS)

UNIT_TESTS += test_aot_hints
test_aot_hints_SRCS := tests/unit/test_aot_hints.c tests/unit/aot_helpers.c tests/hosted/load_module.c $(AOT_INPUT_SRCS)
