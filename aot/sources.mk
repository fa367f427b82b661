# waferc's sources, relative to the project's root. Maintained with the folder.
AOT_SRCS := \
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
    aot/types.c
