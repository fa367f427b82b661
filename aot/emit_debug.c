/*
 * Line information: the module's .debug_line rows become locations of the instructions
 * that come of the code they cover, so that gdb and addr2line name the source. Line
 * tables only; modules without them produce none of this.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <llvm-c/DebugInfo.h>

#include "aot/codegen.h"
#include "aot/debug_lines.h"

#define DWARF_VERSION 4u

/* The module itself, where the source has no name. */
static LLVMMetadataRef module_file(const struct unit *unit)
{
    const char *path = unit->gen->options->input;
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;

    return LLVMDIBuilderCreateFile(unit->debug_builder, name, strlen(name), "", 0);
}

/* Names in DWARF are bytes of the module. */
static LLVMMetadataRef make_file(const struct unit *unit, const struct line_file *file)
{
    const union {
        const uint8_t *bytes;
        const char *text;
    } name = {.bytes = file->name.bytes}, directory = {.bytes = file->directory.bytes};

    if (file->name.length == 0) {
        return module_file(unit);
    }
    return LLVMDIBuilderCreateFile(unit->debug_builder, name.text, file->name.length,
                                   file->directory.length == 0 ? "" : directory.text,
                                   file->directory.length);
}

static LLVMMetadataRef file_of(struct unit *unit, uint32_t index)
{
    if (unit->debug_files[index] == NULL) {
        unit->debug_files[index] = make_file(unit, &unit->gen->lines->files[index]);
    }
    return unit->debug_files[index];
}

static void add_flag(struct unit *unit, const char *name, unsigned value)
{
    LLVMAddModuleFlag(unit->llvm, LLVMModuleFlagBehaviorWarning, name, strlen(name),
                      LLVMValueAsMetadata(unit_i32(unit, value)));
}

void debug_begin_unit(struct unit *unit)
{
    const struct line_table *lines = unit->gen->lines;

    if (lines == NULL || lines->file_count == 0) {
        return;
    }
    unit->debug_files = calloc(lines->file_count, sizeof(*unit->debug_files));
    if (unit->debug_files == NULL) {
        fputs("waferc: out of memory\n", stderr);
        exit(1);
    }
    add_flag(unit, "Dwarf Version", DWARF_VERSION);
    add_flag(unit, "Debug Info Version", LLVMDebugMetadataVersion());
    unit->debug_builder = LLVMCreateDIBuilder(unit->llvm);
    LLVMDIBuilderCreateCompileUnit(unit->debug_builder, LLVMDWARFSourceLanguageC99,
                                   file_of(unit, 0), "waferc", 6,
                                   unit->gen->options->optimization > 0, "", 0, 0, "", 0,
                                   LLVMDWARFEmissionLineTablesOnly, 0, 0, 0, "", 0, "", 0);
}

void debug_end_unit(struct unit *unit)
{
    if (unit->debug_builder != NULL) {
        LLVMDIBuilderFinalize(unit->debug_builder);
        LLVMDisposeDIBuilder(unit->debug_builder);
        free(unit->debug_files);
    }
}

static void set_location(struct fn *fn, uint32_t line, uint32_t column, LLVMMetadataRef scope)
{
    LLVMMetadataRef location =
        LLVMDIBuilderCreateDebugLocation(fn->unit->context, line, column, scope, NULL);

    LLVMSetCurrentDebugLocation2(fn->builder, location);
}

static void set_subprogram(struct fn *fn, LLVMMetadataRef file, uint32_t line, uint32_t column)
{
    struct unit *unit = fn->unit;
    size_t length;
    const char *name = LLVMGetValueName2(fn->llvm, &length);
    LLVMMetadataRef type = LLVMDIBuilderCreateSubroutineType(unit->debug_builder, file, NULL, 0, 0);

    fn->subprogram = LLVMDIBuilderCreateFunction(unit->debug_builder, file, name, length, "", 0,
                                                 file, line, type, 1, 1, line, LLVMDIFlagZero,
                                                 unit->gen->options->optimization > 0);
    fn->scope = fn->subprogram;
    LLVMSetSubprogram(fn->llvm, fn->subprogram);
    set_location(fn, line, column, fn->subprogram);
}

/* Every function has a place, if only in the module: LLVM forgets the lines of what it
 * inlines into one that has none. */
void debug_begin_function(struct fn *fn)
{
    struct unit *unit = fn->unit;
    const struct line_table *lines = unit->gen->lines;

    if (unit->debug_builder == NULL) {
        return;
    }
    uint32_t row =
        fn->function == NULL ? lines->row_count : line_table_find(lines, fn->function->code_start);
    if (row == lines->row_count) {
        set_subprogram(fn, module_file(unit), 0, 0);
        return;
    }
    const struct line_row *first = &lines->rows[row];
    set_subprogram(fn, file_of(unit, first->file), first->line, first->column);
    fn->has_lines = true;
    fn->scope_file = first->file;
    fn->line_row = row;
}

/* Code that came from another file, a header say, needs a scope of that file. */
static LLVMMetadataRef scope_of(struct fn *fn, uint32_t file)
{
    if (file != fn->scope_file) {
        fn->scope_file = file;
        fn->scope = LLVMDIBuilderCreateLexicalBlockFile(fn->unit->debug_builder, fn->subprogram,
                                                        file_of(fn->unit, file), 0);
    }
    return fn->scope;
}

/* Before each instruction; offsets only ascend within a function. */
void debug_instruction(struct fn *fn)
{
    if (!fn->has_lines) {
        return;
    }
    const struct line_table *lines = fn->unit->gen->lines;
    uint32_t row = fn->line_row;
    while (row + 1 < lines->row_count && lines->rows[row + 1].offset <= fn->in.start) {
        row++;
    }
    if (row != fn->line_row) {
        fn->line_row = row;
        set_location(fn, lines->rows[row].line, lines->rows[row].column,
                     scope_of(fn, lines->rows[row].file));
    }
}
