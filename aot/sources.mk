# waferc's sources, relative to the project's root. Maintained with the folder.
AOT_INPUT_SRCS := \
    aot/arena.c \
    aot/decode.c \
    aot/decode_code.c \
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
AOT_SRCS := $(AOT_INPUT_SRCS)
