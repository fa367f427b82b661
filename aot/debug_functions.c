#include <string.h>

#include "aot/debug.h"

/* How many DIEs may stand between one and the DIE that has its name. */
#define ORIGIN_MAX_DEPTH 8u

/* What a DIE and those it completes or copies say together. */
struct declaration {
    struct name name;
    struct name linkage_name;
    uint32_t offset; /* of the first one: it is the one in a namespace */
    uint32_t type;
    uint32_t file; /* an index into the line table */
    uint32_t line;
    bool is_external;
    bool is_artificial;
};

static void merge(struct unit *unit, const struct dwarf_die *die, struct declaration *out)
{
    if (out->name.length == 0) {
        dwarf_text(unit->gen->dwarf, die, ATTRIBUTE_NAME, &out->name);
    }
    if (out->linkage_name.length == 0) {
        dwarf_text(unit->gen->dwarf, die, ATTRIBUTE_LINKAGE_NAME, &out->linkage_name);
    }
    if (out->type == 0) {
        out->type = dwarf_reference(die, ATTRIBUTE_TYPE);
    }
    if (out->line == 0) {
        uint64_t line = dwarf_number(die, ATTRIBUTE_LINE, 0);
        out->file = debug_file_index(unit, die->unit, dwarf_number(die, ATTRIBUTE_FILE, 0));
        out->line = line > INT32_MAX ? 0 : (uint32_t)line;
    }
    out->is_external |= dwarf_has(die, ATTRIBUTE_EXTERNAL);
    out->is_artificial |= dwarf_has(die, ATTRIBUTE_ARTIFICIAL);
    out->offset = die->offset;
}

static bool read_declaration(struct unit *unit, uint32_t offset, struct declaration *out)
{
    struct dwarf_die die;
    memset(out, 0, sizeof(*out));
    for (uint32_t depth = 0; depth < ORIGIN_MAX_DEPTH && debug_read(unit, offset, &die); depth++) {
        merge(unit, &die, out);
        offset = dwarf_reference(&die, ATTRIBUTE_ORIGIN);
        if (offset == 0) {
            offset = dwarf_reference(&die, ATTRIBUTE_SPECIFICATION);
        }
    }
    return out->offset != 0;
}

/* ---- Variables ------------------------------------------------------------------------------- */

/* The address of a variable that always is at the same one. */
static bool fixed_address(const struct dwarf_die *die, uint64_t *address)
{
    struct debug_place places[PLACE_MAX_PIECES];
    const struct dwarf_value *location = &die->values[ATTRIBUTE_LOCATION];
    if (location->class != CLASS_BLOCK ||
        debug_place_parse(location->bytes, NULL, die->unit->address_bytes, places) != 1 ||
        places[0].kind != PLACE_ADDRESS || places[0].operation_count != 0) {
        return false;
    }
    *address = places[0].index;
    return true;
}

static void make_global(struct unit *unit, const struct dwarf_die *die, LLVMMetadataRef scope,
                        uint64_t address)
{
    struct debug_unit *debug = unit->debug;
    struct declaration what;
    if (debug_find_entry(unit, DEBUG_VARIABLE, die->offset) != NULL ||
        !read_declaration(unit, die->offset, &what)) {
        return;
    }
    LLVMDIBuilderRef builder = debug_builder(unit, die->unit);
    LLVMMetadataRef type = debug_type(unit, what.type);
    if (scope == NULL) {
        scope = debug_namespace(unit, what.offset);
    }
    LLVMMetadataRef node = LLVMDIBuilderCreateGlobalVariableExpression(
        builder, scope, debug_text(what.name), what.name.length, debug_text(what.linkage_name),
        what.linkage_name.length, debug_file(unit, what.file), what.line, type, !what.is_external,
        LLVMDIBuilderCreateExpression(builder, NULL, 0), NULL, 0);
    debug->globals = arena_grow(&debug->arena, debug->globals, debug->global_count,
                                &debug->global_capacity, sizeof(*debug->globals));
    debug->globals[debug->global_count++] = (struct debug_global){node, address};
    debug_add_entry(unit, DEBUG_VARIABLE, die->offset, node);
}

void debug_make_globals(struct unit *unit)
{
    const struct dwarf *dwarf = unit->gen->dwarf;
    for (uint32_t i = 0; i < dwarf->global_count; i++) {
        struct dwarf_die die;
        uint64_t address;
        jmp_buf escape;
        unit->debug->diag.escape = &escape;
        if (setjmp(escape) == 0 && debug_read(unit, dwarf->globals[i], &die) &&
            fixed_address(&die, &address)) {
            make_global(unit, &die, NULL, address);
        }
    }
}

/* One node for all copies of a variable. `owner` is the key of its subprogram, which is there. */
static LLVMMetadataRef make_variable(struct unit *unit, uint32_t key, bool is_parameter,
                                     LLVMMetadataRef scope, uint32_t owner)
{
    struct declaration what;
    struct debug_entry *entry = debug_find_entry(unit, DEBUG_VARIABLE, key);
    LLVMMetadataRef subprogram = debug_find_entry(unit, DEBUG_SUBPROGRAM, owner)->node;
    if (entry != NULL) {
        return entry->subprogram == subprogram ? entry->node : NULL;
    }
    if (!read_declaration(unit, key, &what) || what.name.length == 0 || what.type == 0) {
        return NULL;
    }
    LLVMDIBuilderRef builder = debug_builder(unit, dwarf_find_unit(unit->gen->dwarf, key));
    LLVMMetadataRef type = debug_type(unit, what.type);
    LLVMMetadataRef file = debug_file(unit, what.file);
    LLVMDIFlags flags = what.is_artificial ? LLVMDIFlagArtificial : LLVMDIFlagZero;
    LLVMMetadataRef node;
    if (is_parameter) {
        unsigned number = ++debug_find_entry(unit, DEBUG_SUBPROGRAM, owner)->parameter_count;
        node = LLVMDIBuilderCreateParameterVariable(builder, scope, debug_text(what.name),
                                                    what.name.length, number, file, what.line, type,
                                                    1, flags);
    } else {
        node =
            LLVMDIBuilderCreateAutoVariable(builder, scope, debug_text(what.name), what.name.length,
                                            file, what.line, type, 1, flags, 0);
    }
    debug_add_entry(unit, DEBUG_VARIABLE, key, node)->subprogram = subprogram;
    return node;
}

/* ---- Functions and blocks -------------------------------------------------------------------- */

/* Parameters in the order of the source, and variables that are not on the stack. */
static void make_children(struct unit *unit, uint32_t key, LLVMMetadataRef subprogram)
{
    struct dwarf_walk walk;
    struct dwarf_die top;
    struct dwarf_die die;
    uint64_t address;
    if (!debug_read(unit, key, &top)) {
        return;
    }
    dwarf_walk_start(&walk, unit->gen->dwarf, &unit->debug->diag, &top);
    while (dwarf_walk_next(&walk, &die)) {
        if (die.tag == TAG_FORMAL_PARAMETER && walk.depth == 1) {
            uint32_t origin = dwarf_reference(&die, ATTRIBUTE_ORIGIN);
            make_variable(unit, origin == 0 ? die.offset : origin, true, subprogram, key);
        } else if (die.tag == TAG_VARIABLE && fixed_address(&die, &address)) {
            make_global(unit, &die, subprogram, address);
        }
    }
}

/* The function a DIE describes, made on first use; NULL when it is none. */
static LLVMMetadataRef make_subprogram(struct unit *unit, uint32_t key, struct name symbol,
                                       uint32_t start_line)
{
    struct declaration what;
    struct debug_entry *entry = debug_find_entry(unit, DEBUG_SUBPROGRAM, key);
    if (entry != NULL) {
        return entry->node;
    }
    const struct dwarf_unit *source = dwarf_find_unit(unit->gen->dwarf, key);
    if (source == NULL || !read_declaration(unit, key, &what)) {
        return NULL;
    }
    LLVMDIBuilderRef builder = debug_builder(unit, source);
    LLVMMetadataRef file = debug_file(unit, what.file);
    LLVMMetadataRef result = debug_type(unit, what.type);
    LLVMMetadataRef type =
        LLVMDIBuilderCreateSubroutineType(builder, file, &result, 1, LLVMDIFlagZero);
    struct name name = what.name.length == 0 ? symbol : what.name;
    LLVMMetadataRef scope = debug_namespace(unit, what.offset);
    LLVMMetadataRef node = LLVMDIBuilderCreateFunction(
        builder, scope == NULL ? file : scope, debug_text(name), name.length,
        debug_text(what.linkage_name), what.linkage_name.length, file, what.line, type,
        !what.is_external, 1, start_line == 0 ? what.line : start_line, LLVMDIFlagPrototyped,
        unit->gen->options->optimization > 0);
    debug_add_entry(unit, DEBUG_SUBPROGRAM, key, node);
    make_children(unit, key, node);
    return node;
}

static LLVMMetadataRef make_block(struct unit *unit, const struct debug_scope *scope,
                                  const struct debug_fn_scope *parent)
{
    struct debug_entry *entry = debug_find_entry(unit, DEBUG_BLOCK, scope->key);
    if (entry != NULL) {
        return entry->subprogram == parent->subprogram ? entry->node : parent->scope;
    }
    LLVMMetadataRef node = LLVMDIBuilderCreateLexicalBlock(unit->debug_builder, parent->scope,
                                                           debug_file(unit, parent->file), 0, 0);
    debug_add_entry(unit, DEBUG_BLOCK, scope->key, node)->subprogram = parent->subprogram;
    return node;
}

/* A function that the producer inlined: a scope of its own, and where it was called. */
static bool open_inlined(struct fn *fn, const struct debug_scope *scope,
                         const struct debug_fn_scope *parent, struct debug_fn_scope *out)
{
    struct unit *unit = fn->unit;
    struct name none = {NULL, 0};
    LLVMMetadataRef subprogram = make_subprogram(unit, scope->key, none, 0);
    if (subprogram == NULL) {
        return false;
    }
    uint32_t file = debug_file_index(unit, fn->debug->info->unit, scope->call_file);
    LLVMMetadataRef caller = parent->scope;
    if (file != parent->file) {
        caller = LLVMDIBuilderCreateLexicalBlockFile(unit->debug_builder, caller,
                                                     debug_file(unit, file), 0);
    }
    out->scope = subprogram;
    out->subprogram = subprogram;
    out->inlined_at = LLVMDIBuilderCreateDebugLocation(
        unit->context, scope->call_line, scope->call_column, caller, parent->inlined_at);
    struct declaration what;
    read_declaration(unit, scope->key, &what);
    out->file = what.file;
    return true;
}

static void open_scopes(struct fn *fn)
{
    const struct debug_function *info = fn->debug->info;
    for (uint32_t i = 1; i < info->scope_count; i++) {
        const struct debug_scope *scope = &info->scopes[i];
        const struct debug_fn_scope *parent = &fn->debug->scopes[scope->parent];
        struct debug_fn_scope *out = &fn->debug->scopes[i];
        *out = *parent;
        if (!scope->is_inlined) {
            out->scope = make_block(fn->unit, scope, parent);
        } else {
            open_inlined(fn, scope, parent, out);
        }
    }
}

/* The nearest function around a scope. */
static uint32_t owner_of(const struct debug_function *info, uint32_t scope)
{
    while (scope != 0 && !info->scopes[scope].is_inlined) {
        scope = info->scopes[scope].parent;
    }
    return info->scopes[scope].key;
}

static void open_variables(struct fn *fn)
{
    struct debug_fn *debug = fn->debug;
    const struct debug_function *info = debug->info;
    for (uint32_t i = 0; i < info->range_count; i++) {
        /* Not a value, but a place of its own: see make_children. */
        if (info->ranges[i].place.kind == PLACE_ADDRESS) {
            debug->variable_bits[info->ranges[i].variable] = UINT64_MAX;
        }
    }
    for (uint32_t i = 0; i < info->variable_count; i++) {
        const struct debug_variable *variable = &info->variables[i];
        const struct debug_fn_scope *scope = &debug->scopes[variable->scope];
        uint32_t owner = owner_of(info, variable->scope);
        struct debug_entry *entry = debug_find_entry(fn->unit, DEBUG_SUBPROGRAM, owner);
        struct declaration what;
        if (debug->variable_bits[i] == 0 && entry != NULL && entry->node == scope->subprogram &&
            read_declaration(fn->unit, variable->key, &what)) {
            debug->variables[i] =
                make_variable(fn->unit, variable->key, variable->is_parameter, scope->scope, owner);
            debug->variable_bits[i] = debug_type_bits(fn->unit, what.type);
        }
    }
}

/* A function that several functions claim to be stays with the first. */
static bool open_top(struct fn *fn, uint32_t file, uint32_t line)
{
    struct unit *unit = fn->unit;
    uint32_t key = fn->debug->info->scopes[0].key;
    size_t length;
    const union {
        const char *text;
        const uint8_t *bytes;
    } symbol = {.text = LLVMGetValueName2(fn->llvm, &length)};
    struct name name = {symbol.bytes, (uint32_t)length};
    LLVMMetadataRef subprogram = make_subprogram(unit, key, name, line);
    if (subprogram == NULL) {
        return false;
    }
    struct debug_entry *entry = debug_find_entry(unit, DEBUG_SUBPROGRAM, key);
    if (entry->is_taken) {
        return false;
    }
    entry->is_taken = true;
    fn->debug->scopes[0] =
        (struct debug_fn_scope){.scope = subprogram, .subprogram = subprogram, .file = file};
    return true;
}

bool debug_open_function(struct fn *fn, uint32_t file, uint32_t line)
{
    struct debug_fn *debug = fn->debug;
    struct arena *arena = &debug->arena;
    jmp_buf escape;

    /* Volatile: set between setjmp and what may jump back. */
    volatile bool is_open = false;
    fn->unit->debug->diag.escape = &escape;
    if (setjmp(escape) != 0) {
        return is_open;
    }
    const struct debug_function *info =
        debug_function_read(fn->unit->gen->dwarf, fn->function, arena);
    debug->info = info;
    if (info == NULL) {
        return false;
    }
    debug->scopes = arena_array(arena, struct debug_fn_scope, info->scope_count);
    debug->variables = arena_array(arena, LLVMMetadataRef, info->variable_count);
    debug->variable_bits = arena_array(arena, uint64_t, info->variable_count);
    if (!open_top(fn, file, line)) {
        return false;
    }
    is_open = true;
    for (uint32_t i = 1; i < info->scope_count; i++) {
        debug->scopes[i] = debug->scopes[0];
    }
    open_scopes(fn);
    open_variables(fn);
    return true;
}
