#include "aot/codegen.h"

#include <llvm-c/Analysis.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "aot/debug_lines.h"

static void *codegen_alloc(uint32_t count, size_t bytes)
{
    void *memory = calloc((size_t)count + 1, bytes);

    if (memory == NULL) {
        fputs("waferc: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

/* Reads a constant expression; false when it needs running code. References to other
 * globals count only when those stand for themselves, which bounds the recursion. */
static bool expression_is_constant(const struct codegen *gen, struct expression expression,
                                   bool allow_globals)
{
    struct reader reader = module_reader(gen->module, expression.start, expression.end);
    struct instruction in;

    while (reader_left(&reader) > 0) {
        instruction_read(gen->module, &reader, &in);
        if (in.opcode != OP_GLOBAL_GET) {
            continue;
        }
        const struct global *global = &gen->module->globals[in.index];
        if (!allow_globals || global->import != NULL || global->is_mutable ||
            !expression_is_constant(gen, global->init, false)) {
            return false;
        }
    }
    return true;
}

static void plan_globals(struct codegen *gen)
{
    struct module *module = gen->module;

    gen->global_is_constant = codegen_alloc(module->global_count, sizeof(bool));
    for (uint32_t i = module->imported_global_count; i < module->global_count; i++) {
        const struct global *global = &module->globals[i];
        gen->global_is_constant[i] =
            !global->is_mutable && expression_is_constant(gen, global->init, true);
    }
}

/* The elements of a constant table stand in the object: they must not be many more than
 * those that the module's own bytes describe. Other tables are made at start. */
#define TABLE_FREE_ELEMENTS     4096u
#define TABLE_ELEMENTS_PER_ITEM 4u

/* Per table, how large a constant one may be; the caller frees it. */
static uint64_t *constant_table_limits(const struct module *module)
{
    uint64_t *limits = codegen_alloc(module->table_count, sizeof(*limits));

    for (uint32_t i = 0; i < module->table_count; i++) {
        limits[i] = TABLE_FREE_ELEMENTS;
    }
    for (uint32_t i = 0; i < module->element_count; i++) {
        const struct element_segment *segment = &module->elements[i];
        if (segment->mode == SEGMENT_ACTIVE) {
            limits[segment->table] += (uint64_t)TABLE_ELEMENTS_PER_ITEM * segment->item_count;
        }
    }
    return limits;
}

static bool segment_fits(const struct codegen *gen, const struct element_segment *segment,
                         uint64_t size)
{
    struct reader reader = module_reader(gen->module, segment->where.start, segment->where.end);
    struct instruction in;

    /* Toolchains write one constant; anything more general may wait for instantiation. */
    instruction_read(gen->module, &reader, &in);
    bool is_lone = in.opcode == OP_I32_CONST && reader_left(&reader) == 1;
    uint64_t start = (uint32_t)in.value;
    if (!is_lone || start > size || segment->item_count > size - start) {
        return false;
    }
    for (uint32_t i = 0; i < segment->item_count; i++) {
        if (segment->items[i].kind == ELEMENT_EXPRESSION) {
            return false;
        }
    }
    return true;
}

static void plan_tables(struct codegen *gen)
{
    const struct module *module = gen->module;
    uint64_t *limits = constant_table_limits(module);

    gen->table_forms = codegen_alloc(module->table_count, sizeof(*gen->table_forms));
    for (uint32_t i = 0; i < module->table_count; i++) {
        const struct table *table = &module->tables[i];
        bool visible = table->is_exported && gen->options->wants_exports;
        bool constant = table->import == NULL && !visible && !table->is_mutated &&
                        !table->has_init && !table->limits.is_64 &&
                        heap_top(module, type_heap(table->element)) == HEAP_FUNC &&
                        table->limits.minimum <= limits[i];
        gen->table_forms[i] = constant ? TABLE_CONSTANT : TABLE_DYNAMIC;
    }
    free(limits);
    for (uint32_t i = 0; i < module->element_count; i++) {
        const struct element_segment *segment = &module->elements[i];
        if (segment->mode == SEGMENT_ACTIVE &&
            !segment_fits(gen, segment, module->tables[segment->table].limits.minimum)) {
            gen->table_forms[segment->table] = TABLE_DYNAMIC;
        }
    }
    for (uint32_t i = 0; i < module->table_count; i++) {
        gen->has_scopes |= gen->table_forms[i] == TABLE_DYNAMIC;
    }
}

static void plan_data(struct codegen *gen)
{
    const struct module *module = gen->module;
    uint64_t offset = 0;

    gen->data_offsets = codegen_alloc(module->data_count, sizeof(*gen->data_offsets));
    for (uint32_t i = 0; i < module->data_count; i++) {
        gen->data_offsets[i] = offset;
        offset += module->datas[i].length;
    }
}

/*
 * LLVM's time grows faster than a module, and a unit is what one thread builds. Within a
 * unit functions inline into each other and globals stay in registers, so small modules
 * are not cut; at -O3, which is for the fastest code, neither are those of the size of SQLite,
 * whose two units execute 3 % more instructions than one. At -O0 nothing inlines. The number does
 * not depend on the machine: outputs repeat.
 */
#define UNIT_BYTES       (512u << 10)
#define UNIT_BYTES_QUICK (128u << 10)
#define WHOLE_BYTES_O3   (2u << 20)
#define UNIT_MAX         256u

static uint32_t plan_unit_count(const struct codegen *gen)
{
    uint32_t code_bytes = gen->module->code_section_end - gen->module->code_section_start;
    uint32_t count = gen->options->unit_count;

    if (count == 0) {
        uint32_t unit_bytes = gen->options->optimization == 0 ? UNIT_BYTES_QUICK : UNIT_BYTES;
        uint32_t whole_bytes = gen->options->optimization == 3 ? WHOLE_BYTES_O3 : 2 * unit_bytes;
        count = code_bytes < whole_bytes ? 1 : code_bytes / unit_bytes;
    }
    return count < UNIT_MAX ? count : UNIT_MAX;
}

void codegen_plan(struct codegen *gen, struct module *module, const struct options *options)
{
    *gen = (struct codegen){.module = module, .options = options};
    gen->unit_count = plan_unit_count(gen);
    gen->cpu_level = target_cpu_level(options);
    gen->has_scopes = module->memory_count > 1;
    for (uint32_t i = 0; i < module->function_count; i++) {
        gen->has_tail_calls |= (module->functions[i].flags & FUNCTION_TAIL_CALLS_BIT) != 0;
    }
    plan_globals(gen);
    plan_tables(gen);
    plan_data(gen);
    codegen_plan_throws(gen);
    gen->lines = options->debug_info == DEBUG_INFO_NONE ? NULL : debug_lines_decode(module);
    gen->has_line_info = gen->lines != NULL;
    if (gen->has_line_info && options->debug_info == DEBUG_INFO_ALL) {
        gen->dwarf = dwarf_decode(module);
    }
}

void codegen_destroy(struct codegen *gen)
{
    free(gen->table_forms);
    free(gen->global_is_constant);
    free(gen->data_offsets);
    free(gen->may_throw);
}

/* Functions in the order of the module, cut where the code of a unit reaches its share. */
struct range {
    uint32_t start;
    uint32_t end;
};

static struct range unit_range(const struct codegen *gen, uint32_t index)
{
    const struct module *module = gen->module;
    uint64_t total = 0;
    uint64_t seen = 0;
    struct range range = {module->function_count, module->function_count};

    for (uint32_t i = module->imported_function_count; i < module->function_count; i++) {
        total += module->functions[i].body_end - module->functions[i].body_start;
    }
    for (uint32_t i = module->imported_function_count; i < module->function_count; i++) {
        uint64_t unit = total == 0 ? 0 : seen * gen->unit_count / total;
        if (unit >= index && i < range.start) {
            range.start = i;
        }
        if (unit > index) {
            range.end = i;
            break;
        }
        seen += module->functions[i].body_end - module->functions[i].body_start;
    }
    return range;
}

static void optimize(struct unit *unit)
{
    bool is_quick = unit->gen->options->optimization == 1;

    if (unit->gen->options->optimization == 0) {
        unit_fix_loads(unit);
        return;
    }
    unit_fence_floats(unit);
    unit_mark_loads(unit);
    if (!is_quick) {
        unit_name_memory(unit);
    }
    target_simplify(unit->target, unit->llvm);
    unit_unname_memory(unit);
    unit_unmark_loads(unit, false);
    if (!is_quick) {
        unit_widen_scans(unit);
    }
    target_vectorize(unit->target, unit->llvm);
    unit_mark_loads(unit);
    target_finish(unit->target, unit->llvm);
    unit_unmark_loads(unit, true);
    unit_hoist_extensions(unit);
}

/* What LLVM does not accept is our bug. But debug information comes from the module as it is, so a
 * module that LLVM takes without it is compiled without it. */
static void verify(struct unit *unit)
{
    char *error = NULL;

    if (!LLVMVerifyModule(unit->llvm, LLVMReturnStatusAction, &error)) {
        LLVMDisposeMessage(error);
        return;
    }
    if (unit->debug != NULL) {
        char *other_error = NULL;
        debug_drop(unit);
        if (!LLVMVerifyModule(unit->llvm, LLVMReturnStatusAction, &other_error)) {
            fprintf(stderr, "waferc: warning: %s: debug information left out: %s\n",
                    unit->gen->options->input, error);
            LLVMDisposeMessage(other_error);
            LLVMDisposeMessage(error);
            return;
        }
    }
    fprintf(stderr, "waferc: internal error: %s\n", error);
    exit(1);
}

static LLVMMemoryBufferRef build_unit(const struct codegen *gen, uint32_t index)
{
    struct target target;
    struct unit unit;
    struct range range = unit_range(gen, index);

    target_create(&target, gen->options);
    unit_init(&unit, gen, &target, index);
    debug_begin_unit(&unit);
    if (index == 0) {
        emit_module(&unit);
    }
    for (uint32_t i = range.start; i < range.end; i++) {
        emit_function(&unit, i);
    }
    debug_end_unit(&unit);
    verify(&unit);
    target_promote_locals(&target, unit.llvm);
    optimize(&unit);
    debug_attach_globals(&unit);
    unit_hide_far_addresses(&unit);
    LLVMMemoryBufferRef out = target_emit(&target, unit.llvm, gen->options->emit);
    if (unit.debug != NULL && gen->options->emit == EMIT_OBJECT) {
        out = debug_size_pointers(out, gen->dwarf->units[0].address_bytes);
    }
    debug_destroy_unit(&unit);
    unit_destroy(&unit);
    target_destroy(&target);
    return out;
}

struct work {
    const struct codegen *gen;
    LLVMMemoryBufferRef *buffers;
    atomic_uint next;
    atomic_uint done;
    bool shows_progress;
};

/* One line that overwrites itself, for people who wait at a terminal. */
static void show_progress(struct work *work)
{
    uint32_t done = atomic_fetch_add(&work->done, 1) + 1;

    if (work->shows_progress) {
        fprintf(stderr, "\rwaferc: %u of %u parts compiled%s", done, work->gen->unit_count,
                done == work->gen->unit_count ? "\n" : "");
    }
}

static void *run_worker(void *argument)
{
    struct work *work = argument;

    for (;;) {
        uint32_t index = atomic_fetch_add(&work->next, 1);
        if (index >= work->gen->unit_count) {
            return NULL;
        }
        work->buffers[index] = build_unit(work->gen, index);
        show_progress(work);
    }
}

static unsigned thread_count(const struct codegen *gen)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned count = gen->options->thread_count;

    if (count == 0) {
        count = processors < 1 ? 1 : (unsigned)processors;
    }
    return count < gen->unit_count ? count : gen->unit_count;
}

void codegen_run(struct codegen *gen, struct codegen_output *out)
{
    struct work work = {.gen = gen, .shows_progress = gen->unit_count > 1 && isatty(STDERR_FILENO)};
    unsigned count = thread_count(gen);
    pthread_t *threads = codegen_alloc(count, sizeof(*threads));
    pthread_attr_t attributes;

    work.buffers = codegen_alloc(gen->unit_count, sizeof(*work.buffers));
    /* LLVM recurses; give its passes more than the default stack. */
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 256u << 20);
    for (unsigned i = 0; i < count; i++) {
        if (pthread_create(&threads[i], &attributes, run_worker, &work) != 0) {
            fputs("waferc: cannot start a thread\n", stderr);
            exit(1);
        }
    }
    for (unsigned i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
    }
    pthread_attr_destroy(&attributes);
    free(threads);
    out->buffers = work.buffers;
    out->count = gen->unit_count;
}
