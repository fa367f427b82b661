/*
 * waferc's command line as one struct.
 *
 * Strings are borrowed from argv. Hosted; main thread.
 */
#pragma once

#include <stdbool.h>

enum cpu_level {
    CPU_X86_64_V2 = 2,
    CPU_X86_64_V3 = 3,
    CPU_X86_64_V4 = 4,
    CPU_NATIVE = 0, /* whatever the machine that compiles has */
};

enum emit_kind { EMIT_OBJECT, EMIT_ASSEMBLY, EMIT_LLVM };

/* How much of the module's DWARF goes on into the object. */
enum debug_info { DEBUG_INFO_NONE, DEBUG_INFO_LINES, DEBUG_INFO_ALL };

enum print_bits {
    PRINT_IMPORTS_BIT = 1u << 0,
    PRINT_EXPORTS_BIT = 1u << 1,
    PRINT_FEATURES_BIT = 1u << 2,
    PRINT_LAYOUT_BIT = 1u << 3,
};

struct options {
    const char *input;
    const char *output;        /* NULL: the input's name with .o, .s or .ll */
    const char *symbol_prefix; /* never NULL */
    unsigned optimization;     /* 0..3 */
    enum cpu_level cpu;
    enum emit_kind emit;
    unsigned print;        /* enum print_bits; nothing is compiled then unless -o is given */
    unsigned thread_count; /* 0: one a processor */
    unsigned unit_count;   /* 0: by the size of the code */
    bool wants_exports;
    bool wants_stats;
    bool validate_only;
    enum debug_info debug_info;
    unsigned features; /* 1u << enum feature (aot/module.h) */
};

/* Fills `out`, or prints what is wrong and exits with status 2. --help and --version
 * print and exit with status 0. */
void options_parse(struct options *out, int argc, char **argv);
