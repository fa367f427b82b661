/*
 * What instantiation copies: active element and data segments, in their order, each with
 * its bounds checked, so that those in front of a failing one have taken effect (Wasm
 * core §4.5.4).
 *
 * Go's modules have a hundred thousand data segments. Neighbours with constant offsets
 * become rows of one array that a loop walks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aot/codegen.h"

/* One row of the array: destination, offset in the blob, length. */
#define ROW_WORDS 3u

static void copy_segment(struct fn *fn, uint32_t memory, LLVMValueRef destination,
                         LLVMValueRef source, LLVMValueRef count)
{
    LLVMValueRef blob = unit_data_blob(fn->unit);

    emit_memory_bounds(fn, memory, destination, count);
    LLVMValueRef from = LLVMBuildGEP2(fn->builder, fn->unit->i8, blob, &source, 1, "");
    LLVMBuildMemCpy(fn->builder, emit_memory_pointer(fn, memory, destination), 1, from, 1, count);
}

static LLVMValueRef row_word(struct fn *fn, LLVMValueRef rows, LLVMValueRef row, unsigned word)
{
    struct unit *unit = fn->unit;
    LLVMValueRef at = LLVMBuildMul(fn->builder, row, unit_i64(unit, ROW_WORDS), "");

    at = LLVMBuildAdd(fn->builder, at, unit_i64(unit, word), "");
    LLVMValueRef address = LLVMBuildGEP2(fn->builder, unit->i64, rows, &at, 1, "");
    return LLVMBuildLoad2(fn->builder, unit->i64, address, "");
}

static void copy_rows(struct fn *fn, uint32_t memory, const uint64_t *words, uint32_t row_count)
{
    struct unit *unit = fn->unit;
    LLVMBuilderRef builder = fn->builder;
    size_t bytes = (size_t)row_count * ROW_WORDS * sizeof(*words);
    LLVMValueRef rows =
        LLVMAddGlobal(unit->llvm, LLVMArrayType2(unit->i8, bytes), "wasm_data_rows");

    /* The words in this machine's order are in the target's: both are x86. */
    const union {
        const uint64_t *words;
        const char *bytes;
    } view = {.words = words};
    LLVMSetInitializer(rows, LLVMConstStringInContext2(unit->context, view.bytes, bytes, 1));
    LLVMSetGlobalConstant(rows, 1);
    LLVMSetLinkage(rows, LLVMInternalLinkage);
    LLVMSetAlignment(rows, 8);
    LLVMBasicBlockRef before = LLVMGetInsertBlock(builder);
    LLVMBasicBlockRef loop = fn_block(fn);
    LLVMBuildBr(builder, loop);
    fn_position(fn, loop);
    LLVMValueRef row = LLVMBuildPhi(builder, unit->i64, "");
    copy_segment(fn, memory, row_word(fn, rows, row, 0), row_word(fn, rows, row, 1),
                 row_word(fn, rows, row, 2));
    LLVMValueRef next = LLVMBuildAdd(builder, row, unit_i64(unit, 1), "");
    LLVMValueRef values[2] = {unit_i64(unit, 0), next};
    LLVMBasicBlockRef blocks[2] = {before, LLVMGetInsertBlock(builder)};
    LLVMAddIncoming(row, values, blocks, 2);
    LLVMBasicBlockRef done = fn_block(fn);
    LLVMValueRef more = LLVMBuildICmp(builder, LLVMIntULT, next, unit_i64(unit, row_count), "");
    LLVMBuildCondBr(builder, more, loop, done);
    fn_position(fn, done);
}

void emit_data_initialization(struct fn *fn)
{
    const struct module *module = fn->module;
    struct unit *unit = fn->unit;
    uint64_t *words = malloc(((size_t)module->data_count + 1) * ROW_WORDS * sizeof(*words));
    uint32_t row_count = 0;
    uint32_t row_memory = 0;

    if (words == NULL) {
        fputs("waferc: out of memory\n", stderr);
        exit(1);
    }
    for (uint32_t i = 0; i < module->data_count; i++) {
        const struct data_segment *data = &module->datas[i];
        if (data->mode != SEGMENT_ACTIVE) {
            continue;
        }
        LLVMValueRef where = unit_expression(unit, data->where);
        bool is_constant = LLVMIsAConstantInt(where) != NULL;
        if (row_count > 0 && (!is_constant || row_memory != data->memory)) {
            copy_rows(fn, row_memory, words, row_count);
            row_count = 0;
        }
        if (is_constant) {
            uint64_t *row = &words[(size_t)row_count++ * ROW_WORDS];
            row[0] = LLVMConstIntGetZExtValue(where);
            row[1] = unit->gen->data_offsets[i];
            row[2] = data->length;
            row_memory = data->memory;
        } else {
            copy_segment(fn, data->memory, LLVMBuildZExt(fn->builder, where, unit->i64, ""),
                         unit_i64(unit, unit->gen->data_offsets[i]), unit_i64(unit, data->length));
        }
    }
    if (row_count > 0) {
        copy_rows(fn, row_memory, words, row_count);
    }
    free(words);
}

/* Items that only running code knows, such as imported globals. */
static void fill_item_values(struct fn *fn, uint32_t segment)
{
    const struct element_segment *element = &fn->module->elements[segment];
    struct unit *unit = fn->unit;

    for (uint32_t i = 0; i < element->item_count; i++) {
        if (element->items[i].kind == ELEMENT_EXPRESSION) {
            LLVMValueRef value = unit_expression(unit, element->items[i].value);
            LLVMValueRef at = unit_i64(unit, i);
            LLVMValueRef slot = LLVMBuildGEP2(fn->builder, unit->ptr,
                                              unit_element_items(unit, segment), &at, 1, "");
            LLVMBuildStore(fn->builder, value, slot);
        }
    }
}

void emit_element_initialization(struct fn *fn)
{
    const struct module *module = fn->module;
    struct unit *unit = fn->unit;

    for (uint32_t i = 0; i < module->element_count; i++) {
        const struct element_segment *element = &module->elements[i];
        bool is_active = element->mode == SEGMENT_ACTIVE;
        bool is_constant = is_active && unit->gen->table_forms[element->table] == TABLE_CONSTANT;
        if (!is_constant && element->mode != SEGMENT_DECLARATIVE) {
            fill_item_values(fn, i);
        }
        if (is_active && !is_constant) {
            LLVMValueRef where = unit_expression(unit, element->where);
            emit_table_init(fn, i, element->table, LLVMBuildZExt(fn->builder, where, unit->i64, ""),
                            unit_i64(unit, 0), unit_i64(unit, element->item_count));
            LLVMBuildStore(fn->builder, unit_i64(unit, 0), unit_element_size(unit, i));
        }
    }
}
