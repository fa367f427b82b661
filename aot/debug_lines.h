/*
 * Source lines of a module's code, from its .debug_line section (DWARF 2 to 5, §6.2, and
 * "DWARF for WebAssembly": addresses count from the content of the code section).
 *
 * Debug information only helps people: what is malformed is left out, silently. The result
 * lives in the module's arena; names point into the file. Immutable once made.
 */
#pragma once

#include <stdint.h>

#include "aot/module.h"

struct line_file {
    struct name directory; /* empty: the name stands alone */
    struct name name;
};

/* Code from `offset` on, up to the next row, belongs to this place in the source. */
struct line_row {
    uint32_t offset; /* in the module's file, as struct instruction counts it */
    uint32_t file;
    uint32_t line; /* 0: no source; also behind the end of each run of code */
    uint16_t column;
    bool is_body; /* the first one behind what a function does to set itself up */
};

/* How one unit of the source numbers files: those from `first_file` on, counted from 0. */
struct line_program {
    uint32_t offset; /* in .debug_line */
    uint32_t first_file;
    uint32_t file_count;
};

struct line_table {
    struct line_row *rows; /* by ascending offset */
    uint32_t row_count;
    struct line_file *files;
    uint32_t file_count;
    struct line_program *programs; /* by ascending offset */
    uint32_t program_count;
};

/* NULL when the module has no line information that can be read. */
const struct line_table *debug_lines_decode(struct module *module);

/* The row that covers `offset`: its index, or row_count when none does. */
uint32_t line_table_find(const struct line_table *table, uint32_t offset);
