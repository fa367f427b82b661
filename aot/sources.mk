# waferc's sources, relative to the project's root. Maintained with the folder.
AOT_INPUT_SRCS := \
    aot/arena.c \
    aot/debug_lines.c \
    aot/decode.c \
    aot/decode_code.c \
    aot/decode_hints.c \
    aot/decode_names.c \
    aot/decode_sections.c \
    aot/decode_segments.c \
    aot/decode_types.c \
    aot/diag.c \
    aot/instruction.c \
    aot/reader.c \
    aot/sha256.c \
    aot/types.c \
    aot/validate.c \
    aot/validate_code.c \
    aot/validate_control.c \
    aot/validate_operation.c \
    aot/validate_stack.c
AOT_SRCS := $(AOT_INPUT_SRCS) \
    aot/codegen.c \
    aot/emit_atomic.c \
    aot/emit_call.c \
    aot/emit_control.c \
    aot/emit_convert.c \
    aot/emit_data.c \
    aot/emit_debug.c \
    aot/emit_exception.c \
    aot/exception_pool.c \
    aot/throw_plan.c \
    aot/emit_export.c \
    aot/emit_function.c \
    aot/emit_memory.c \
    aot/emit_module.c \
    aot/emit_numeric.c \
    aot/emit_simd.c \
    aot/emit_simd_convert.c \
    aot/emit_simd_memory.c \
    aot/emit_table.c \
    aot/emit_variable.c \
    aot/expression.c \
    aot/far_address.c \
    aot/keep_loads.c \
    aot/layout.c \
    aot/main.c \
    aot/object.c \
    aot/options.c \
    aot/print.c \
    aot/source.c \
    aot/target.c \
    aot/unit.c \
    aot/unit_storage.c
