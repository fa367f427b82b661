/*
 * Line information: the module's .debug_line rows become locations of the instructions
 * that come of the code they cover, so that gdb and addr2line name the source. The scope
 * of such a location is the function, block or inlined function that the module's DWARF has
 * around it, where it has one. Modules without line tables produce none of this.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <llvm-c/DebugInfo.h>

#include "aot/debug.h"
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
    if (file->name.length == 0) {
        return module_file(unit);
    }
    return LLVMDIBuilderCreateFile(unit->debug_builder, debug_text(file->name), file->name.length,
                                   debug_text(file->directory), file->directory.length);
}

LLVMMetadataRef debug_file(struct unit *unit, uint32_t index)
{
    if (unit->debug_files[index] == NULL) {
        unit->debug_files[index] = make_file(unit, &unit->gen->lines->files[index]);
    }
    return unit->debug_files[index];
}

uint32_t debug_file_index(const struct unit *unit, const struct dwarf_unit *source, uint64_t number)
{
    const struct line_table *lines = unit->gen->lines;
    uint32_t low = 0;
    uint32_t high = source->has_lines ? lines->program_count : 0;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct line_program *program = &lines->programs[middle];
        if (program->offset == source->line_offset) {
            return number < program->file_count ? program->first_file + (uint32_t)number : 0;
        }
        if (program->offset < source->line_offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return 0;
}

static void add_flag(struct unit *unit, const char *name, unsigned value)
{
    LLVMAddModuleFlag(unit->llvm, LLVMModuleFlagBehaviorWarning, name, strlen(name),
                      LLVMValueAsMetadata(unit_i32(unit, value)));
}

static void *debug_alloc(uint32_t count, size_t bytes)
{
    void *memory = calloc((size_t)count + 1, bytes);

    if (memory == NULL) {
        fputs("waferc: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

static LLVMDWARFSourceLanguage language_of(const struct dwarf_unit *source)
{
    /* DWARF 5 §7.12; what debuggers of today do not know yet is called by an older name. */
    switch (source->language) {
    case 0x01:
        return LLVMDWARFSourceLanguageC89;
    case 0x02:
        return LLVMDWARFSourceLanguageC;
    case 0x04:
        return LLVMDWARFSourceLanguageC_plus_plus;
    case 0x16:
        return LLVMDWARFSourceLanguageGo;
    case 0x19:
    case 0x1a:
        return LLVMDWARFSourceLanguageC_plus_plus_11;
    case 0x1c:
        return LLVMDWARFSourceLanguageRust;
    case 0x1d:
    case 0x2c:
        return LLVMDWARFSourceLanguageC11;
    case 0x21:
    case 0x2a:
    case 0x2b:
        return LLVMDWARFSourceLanguageC_plus_plus_14;
    default:
        return LLVMDWARFSourceLanguageC99;
    }
}

/* gdb looks behind a function's prologue in the line table for the producers whose tables it
 * trusts, and clang is one: parameters are in place there. */
#define TRUSTED_PRODUCER "clang waferc"

LLVMDIBuilderRef debug_builder(struct unit *unit, const struct dwarf_unit *source)
{
    const char trusted[] = "clang ";
    struct debug_unit *debug = unit->debug;
    uint32_t index = (uint32_t)(source - unit->gen->dwarf->units);
    struct name producer = source->producer;
    bool is_trusted = producer.length >= sizeof(trusted) - 1 &&
                      memcmp(producer.bytes, trusted, sizeof(trusted) - 1) == 0;

    if (debug->builders[index] != NULL) {
        return debug->builders[index];
    }
    LLVMDIBuilderRef builder = LLVMCreateDIBuilder(unit->llvm);
    LLVMMetadataRef file = source->name.length == 0
                               ? module_file(unit)
                               : LLVMDIBuilderCreateFile(builder, debug_text(source->name),
                                                         source->name.length, "", 0);
    debug->builders[index] = builder;
    LLVMDIBuilderCreateCompileUnit(builder, language_of(source), file,
                                   is_trusted ? debug_text(producer) : TRUSTED_PRODUCER,
                                   is_trusted ? producer.length : sizeof(TRUSTED_PRODUCER) - 1,
                                   unit->gen->options->optimization > 0, "", 0, 0, "", 0,
                                   LLVMDWARFEmissionFull, 0, 0, 0, "", 0, "", 0);
    return builder;
}

static void begin_variables(struct unit *unit)
{
    const struct dwarf *dwarf = unit->gen->dwarf;
    struct debug_unit *debug = debug_alloc(1, sizeof(*debug));

    unit->debug = debug;
    diag_init(&debug->diag, "debug information");
    diag_init(&debug->arena_diag, "debug information");
    arena_init(&debug->arena, &debug->arena_diag);
    debug->builders = debug_alloc(dwarf->unit_count, sizeof(LLVMDIBuilderRef));
    debug->namespaces = debug_alloc(dwarf->namespace_count, sizeof(LLVMMetadataRef));
    if (unit->index == 0) {
        debug_make_globals(unit);
    }
}

void debug_begin_unit(struct unit *unit)
{
    const struct line_table *lines = unit->gen->lines;

    if (lines == NULL || lines->file_count == 0) {
        return;
    }
    unit->debug_files = debug_alloc(lines->file_count, sizeof(*unit->debug_files));
    add_flag(unit, "Dwarf Version", DWARF_VERSION);
    add_flag(unit, "Debug Info Version", LLVMDebugMetadataVersion());
    unit->debug_builder = LLVMCreateDIBuilder(unit->llvm);
    LLVMDIBuilderCreateCompileUnit(unit->debug_builder, LLVMDWARFSourceLanguageC99,
                                   debug_file(unit, 0), "waferc", 6,
                                   unit->gen->options->optimization > 0, "", 0, 0, "", 0,
                                   LLVMDWARFEmissionLineTablesOnly, 0, 0, 0, "", 0, "", 0);
    if (unit->gen->dwarf != NULL) {
        begin_variables(unit);
    }
}

void debug_end_unit(struct unit *unit)
{
    const struct dwarf *dwarf = unit->gen->dwarf;

    if (unit->debug_builder == NULL) {
        return;
    }
    if (unit->debug != NULL) {
        debug_keep_promises(unit);
        for (uint32_t i = 0; i < dwarf->unit_count; i++) {
            if (unit->debug->builders[i] != NULL) {
                LLVMDIBuilderFinalize(unit->debug->builders[i]);
                LLVMDisposeDIBuilder(unit->debug->builders[i]);
            }
        }
    }
    LLVMDIBuilderFinalize(unit->debug_builder);
    LLVMDisposeDIBuilder(unit->debug_builder);
    free(unit->debug_files);
}

/*
 * To LLVM a variable has a place when a symbol has, so each gets one: a constant that the
 * assembler keeps to itself. The optimiser would drop declarations that no code uses, so
 * they come behind it.
 */
void debug_attach_globals(struct unit *unit)
{
    struct debug_unit *debug = unit->debug;
    unsigned kind = LLVMGetMDKindIDInContext(unit->context, "dbg", 3);

    for (uint32_t i = 0; debug != NULL && i < debug->global_count; i++) {
        char name[40];
        char line[80];
        /* \1: the name stands as it is. */
        snprintf(name, sizeof(name), "\1.Lwasm_variable.%u", i);
        int length = snprintf(line, sizeof(line), ".set .Lwasm_variable.%u, %llu\n", i,
                              (unsigned long long)debug->globals[i].address);
        LLVMAppendModuleInlineAsm(unit->llvm, line, (size_t)length);
        LLVMGlobalSetMetadata(LLVMAddGlobal(unit->llvm, unit->i8, name), kind,
                              debug->globals[i].node);
    }
}

void debug_destroy_unit(struct unit *unit)
{
    if (unit->debug != NULL) {
        arena_destroy(&unit->debug->arena);
        free(unit->debug->builders);
        free(unit->debug->namespaces);
        free(unit->debug);
        unit->debug = NULL;
    }
}

void debug_drop(struct unit *unit)
{
    LLVMStripModuleDebugInfo(unit->llvm);
    debug_destroy_unit(unit);
}

static void set_location(struct fn *fn, uint32_t line, uint32_t column, LLVMMetadataRef scope,
                         LLVMMetadataRef inlined_at)
{
    LLVMMetadataRef location =
        LLVMDIBuilderCreateDebugLocation(fn->unit->context, line, column, scope, inlined_at);

    LLVMSetCurrentDebugLocation2(fn->builder, location);
}

/*
 * Code that sets a function up has the line of its head, and belongs to no statement: a
 * breakpoint on the function comes behind it, when parameters are in their places. Calls need
 * a location in case LLVM inlines them.
 */
static bool is_prologue(const struct fn *fn)
{
    return fn->in.start < fn->body_start && fn->in.opcode != OP_CALL;
}

static uint32_t find_body(const struct fn *fn, uint32_t row)
{
    const struct line_table *lines = fn->unit->gen->lines;
    uint32_t end = fn->function->body_end;

    for (row++; row < lines->row_count && lines->rows[row].offset < end; row++) {
        if (lines->rows[row].is_body) {
            return lines->rows[row].offset;
        }
    }
    return 0;
}

/* A function about which the module says nothing but lines. */
static void make_plain_subprogram(struct fn *fn, LLVMMetadataRef file, uint32_t line)
{
    struct unit *unit = fn->unit;
    size_t length;
    const char *name = LLVMGetValueName2(fn->llvm, &length);
    LLVMMetadataRef type = LLVMDIBuilderCreateSubroutineType(unit->debug_builder, file, NULL, 0, 0);

    fn->subprogram = LLVMDIBuilderCreateFunction(unit->debug_builder, file, name, length, "", 0,
                                                 file, line, type, 1, 1, line, LLVMDIFlagZero,
                                                 unit->gen->options->optimization > 0);
}

static void close_function(struct fn *fn)
{
    if (fn->debug != NULL) {
        arena_destroy(&fn->debug->arena);
        free(fn->debug);
        fn->debug = NULL;
    }
}

static bool open_function(struct fn *fn, uint32_t file, uint32_t line)
{
    if (fn->unit->debug == NULL) {
        return false;
    }
    fn->debug = debug_alloc(1, sizeof(*fn->debug));
    diag_init(&fn->debug->diag, "debug information");
    arena_init(&fn->debug->arena, &fn->debug->diag);
    if (!debug_open_function(fn, file, line)) {
        close_function(fn);
        return false;
    }
    debug_start_values(fn);
    fn->subprogram = fn->debug->scopes[0].scope;
    return true;
}

/* Every function has a place, if only in the module: LLVM forgets the lines of what it
 * inlines into one that has none. */
void debug_begin_function(struct fn *fn)
{
    struct unit *unit = fn->unit;
    const struct line_table *lines = unit->gen->lines;
    struct line_row first = {0};

    if (unit->debug_builder == NULL) {
        return;
    }
    uint32_t row =
        fn->function == NULL ? lines->row_count : line_table_find(lines, fn->function->code_start);
    if (row == lines->row_count) {
        make_plain_subprogram(fn, module_file(unit), 0);
    } else {
        first = lines->rows[row];
        fn->has_lines = true;
        fn->own_file = first.file;
        fn->scope_file = first.file;
        fn->line_row = row;
        if (!open_function(fn, first.file, first.line)) {
            make_plain_subprogram(fn, debug_file(unit, first.file), first.line);
        }
    }
    fn->scope = fn->subprogram;
    LLVMSetSubprogram(fn->llvm, fn->subprogram);
    fn->body_start = fn->has_lines ? find_body(fn, row) : 0;
    if (fn->body_start == 0) {
        set_location(fn, first.line, first.column, fn->subprogram, NULL);
    }
}

void debug_end_function(struct fn *fn)
{
    close_function(fn);
}

/* The scope an instruction belongs to; true when it is another one than before. */
static bool find_segment(struct fn *fn)
{
    const struct debug_function *info = fn->debug == NULL ? NULL : fn->debug->info;
    uint32_t segment = fn->scope_segment;

    if (info == NULL) {
        return false;
    }
    while (segment + 1 < info->segment_count && info->segments[segment + 1].start <= fn->in.start) {
        segment++;
    }
    bool is_new = info->segments[segment].scope != info->segments[fn->scope_segment].scope;
    fn->scope_segment = segment;
    return is_new;
}

/* Code that came from another file than its function, a header say, needs a scope of that
 * file. */
static void locate(struct fn *fn, bool is_new_scope)
{
    const struct line_row *row = &fn->unit->gen->lines->rows[fn->line_row];
    struct debug_fn_scope plain = {.scope = fn->subprogram};
    const struct debug_fn_scope *scope = &plain;

    if (fn->debug != NULL) {
        scope = &fn->debug->scopes[fn->debug->info->segments[fn->scope_segment].scope];
    } else {
        plain.file = fn->own_file;
    }
    if (is_new_scope || row->file != fn->scope_file) {
        fn->scope_file = row->file;
        fn->scope = scope->scope;
        if (row->file != scope->file) {
            fn->scope = LLVMDIBuilderCreateLexicalBlockFile(fn->unit->debug_builder, scope->scope,
                                                            debug_file(fn->unit, row->file), 0);
        }
    }
    if (is_prologue(fn)) {
        LLVMSetCurrentDebugLocation2(fn->builder, NULL);
    } else {
        set_location(fn, row->line, row->column, fn->scope, scope->inlined_at);
    }
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
    bool is_new_scope = find_segment(fn);
    if (row != fn->line_row || is_new_scope || fn->in.start <= fn->body_start) {
        fn->line_row = row;
        locate(fn, is_new_scope);
    }
    debug_update_values(fn);
}
