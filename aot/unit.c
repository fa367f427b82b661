#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aot/codegen.h"
#include "aot/layout.h"

static void *unit_alloc(uint32_t count, size_t bytes)
{
    void *memory = calloc((size_t)count + 1, bytes);

    if (memory == NULL) {
        fputs("waferc: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

bool unit_is_split(const struct unit *unit)
{
    return unit->gen->unit_count > 1;
}

/* Values of LLVM's calling convention identifiers: the C API names only some. */
#define CONVENTION_C    0u
#define CONVENTION_TAIL 18u

unsigned unit_internal_convention(const struct unit *unit)
{
    return unit->gen->has_tail_calls ? CONVENTION_TAIL : CONVENTION_C;
}

static void make_types(struct unit *unit)
{
    LLVMContextRef context = unit->context;
    LLVMTypeRef pair[2];

    unit->void_type = LLVMVoidTypeInContext(context);
    unit->i1 = LLVMInt1TypeInContext(context);
    unit->i8 = LLVMInt8TypeInContext(context);
    unit->i16 = LLVMInt16TypeInContext(context);
    unit->i32 = LLVMInt32TypeInContext(context);
    unit->i64 = LLVMInt64TypeInContext(context);
    unit->f32 = LLVMFloatTypeInContext(context);
    unit->f64 = LLVMDoubleTypeInContext(context);
    unit->ptr = LLVMPointerTypeInContext(context, 0);
    unit->i8x16 = LLVMVectorType(unit->i8, 16);
    unit->i16x8 = LLVMVectorType(unit->i16, 8);
    unit->i32x4 = LLVMVectorType(unit->i32, 4);
    unit->i64x2 = LLVMVectorType(unit->i64, 2);
    unit->f32x4 = LLVMVectorType(unit->f32, 4);
    unit->f64x2 = LLVMVectorType(unit->f64, 2);
    unit->v128 = unit->i64x2;
    pair[0] = unit->ptr;
    pair[1] = unit->i64;
    unit->function_pair = LLVMStructTypeInContext(context, pair, 2, 0);
    unit->value_slot = LLVMArrayType2(unit->i64, 2);
}

static LLVMAttributeRef enum_attribute(const struct unit *unit, const char *name, uint64_t value)
{
    unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));

    return LLVMCreateEnumAttribute(unit->context, kind, value);
}

static LLVMAttributeRef text_attribute(const struct unit *unit, const char *name, const char *value)
{
    return LLVMCreateStringAttribute(unit->context, name, (unsigned)strlen(name), value,
                                     (unsigned)strlen(value));
}

/*
 * Interrupts may push on the Wasm stack, hence no red zone. Frame pointers serve
 * backtraces. Probes touch every page of a large frame so that none jumps over the
 * guard. Calls in tail position stay calls: endless recursion must exhaust the stack,
 * not loop.
 */
static void make_attributes(struct unit *unit)
{
    unit->attributes = unit_alloc(8, sizeof(LLVMAttributeRef));
    LLVMAttributeRef *out = unit->attributes;

    *out++ = enum_attribute(unit, "nounwind", 0);
    *out++ = enum_attribute(unit, "noredzone", 0);
    *out++ = text_attribute(unit, "frame-pointer", "all");
    *out++ = text_attribute(unit, "probe-stack", "inline-asm");
    *out++ = text_attribute(unit, "disable-tail-calls", "true");
    unit->attribute_nomerge = enum_attribute(unit, "nomerge", 0);
    unit->attribute_count = (uint32_t)(out - unit->attributes);
}

void unit_set_attributes(const struct unit *unit, LLVMValueRef function)
{
    for (uint32_t i = 0; i < unit->attribute_count; i++) {
        LLVMAddAttributeAtIndex(function, (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
                                unit->attributes[i]);
    }
}

/* One domain, one scope a kind of storage; an access belongs to its own and is declared
 * apart from all others. */
static void make_scopes(struct unit *unit)
{
    static const char *const names[SCOPE_COUNT] = {"memory", "table", "global", "runtime"};
    LLVMContextRef context = unit->context;
    LLVMMetadataRef domain = LLVMMDStringInContext2(context, "wasm", 4);
    LLVMMetadataRef scopes[SCOPE_COUNT];

    domain = LLVMMDNodeInContext2(context, &domain, 1);
    for (int i = 0; i < SCOPE_COUNT; i++) {
        LLVMMetadataRef parts[2] = {LLVMMDStringInContext2(context, names[i], strlen(names[i])),
                                    domain};
        scopes[i] = LLVMMDNodeInContext2(context, parts, 2);
        LLVMMetadataRef own = LLVMMDNodeInContext2(context, &scopes[i], 1);
        unit->scope_own[i] = LLVMMetadataAsValue(context, own);
    }
    for (int i = 0; i < SCOPE_COUNT; i++) {
        LLVMMetadataRef others[SCOPE_COUNT];
        size_t count = 0;
        for (int j = 0; j < SCOPE_COUNT; j++) {
            if (j != i) {
                others[count++] = scopes[j];
            }
        }
        unit->scope_others[i] =
            LLVMMetadataAsValue(context, LLVMMDNodeInContext2(context, others, count));
    }
    unit->scope_kind = LLVMGetMDKindIDInContext(context, "alias.scope", 11);
    unit->noalias_kind = LLVMGetMDKindIDInContext(context, "noalias", 7);
}

static LLVMValueRef branch_weights(const struct unit *unit, uint32_t first, uint32_t second)
{
    LLVMMetadataRef weights[3] = {
        LLVMMDStringInContext2(unit->context, "branch_weights", 14),
        LLVMValueAsMetadata(unit_i32(unit, first)),
        LLVMValueAsMetadata(unit_i32(unit, second)),
    };

    return LLVMMetadataAsValue(unit->context, LLVMMDNodeInContext2(unit->context, weights, 3));
}

/* What clang makes of __builtin_expect. */
#define HINT_WEIGHT 2000u

static void make_weights(struct unit *unit)
{
    unit->weight_kind = LLVMGetMDKindIDInContext(unit->context, "prof", 4);
    unit->weight_unlikely = branch_weights(unit, 1, 1u << 20);
    unit->weight_hint_low = branch_weights(unit, 1, HINT_WEIGHT);
    unit->weight_hint_high = branch_weights(unit, HINT_WEIGHT, 1);
}

void unit_tag_access(const struct unit *unit, LLVMValueRef access, enum alias_scope scope)
{
    if (unit->gen->has_scopes) {
        LLVMSetMetadata(access, unit->scope_kind, unit->scope_own[scope]);
        LLVMSetMetadata(access, unit->noalias_kind, unit->scope_others[scope]);
    }
}

void unit_init(struct unit *unit, const struct codegen *gen, const struct target *target,
               uint32_t index)
{
    const struct module *module = gen->module;

    *unit = (struct unit){.gen = gen, .module = gen->module, .target = target, .index = index};
    unit->context = LLVMContextCreate();
    LLVMContextSetDiscardValueNames(unit->context, 1);
    unit->llvm = LLVMModuleCreateWithNameInContext("wasm", unit->context);
    LLVMSetTarget(unit->llvm, TARGET_TRIPLE);
    LLVMSetDataLayout(unit->llvm, target->layout_text);
    unit->builder = LLVMCreateBuilderInContext(unit->context);
    make_types(unit);
    make_attributes(unit);
    make_scopes(unit);
    make_weights(unit);
    unit->signatures = unit_alloc(module->type_count, sizeof(*unit->signatures));
    unit->functions = unit_alloc(module->function_count, sizeof(LLVMValueRef));
    unit->import_wrappers = unit_alloc(module->function_count, sizeof(LLVMValueRef));
    unit->function_refs = unit_alloc(module->function_count, sizeof(LLVMValueRef));
    unit->type_symbols = unit_alloc(module->type_count, sizeof(LLVMValueRef));
    unit->globals = unit_alloc(module->global_count, sizeof(LLVMValueRef));
    unit->global_constants = unit_alloc(module->global_count, sizeof(LLVMValueRef));
    unit->tables = unit_alloc(module->table_count, sizeof(LLVMValueRef));
    unit->memories = unit_alloc(module->memory_count, sizeof(LLVMValueRef));
    unit->tags = unit_alloc(module->tag_count, sizeof(LLVMValueRef));
    unit->data_sizes = unit_alloc(module->data_count, sizeof(LLVMValueRef));
    unit->element_sizes = unit_alloc(module->element_count, sizeof(LLVMValueRef));
    unit->element_items = unit_alloc(module->element_count, sizeof(LLVMValueRef));
}

void unit_destroy(struct unit *unit)
{
    LLVMDisposeBuilder(unit->builder);
    LLVMDisposeModule(unit->llvm);
    LLVMContextDispose(unit->context);
    free(unit->signatures);
    free(unit->functions);
    free(unit->import_wrappers);
    free(unit->function_refs);
    free(unit->type_symbols);
    free(unit->globals);
    free(unit->global_constants);
    free(unit->tables);
    free(unit->memories);
    free(unit->tags);
    free(unit->data_sizes);
    free(unit->element_sizes);
    free(unit->element_items);
    free(unit->attributes);
}

LLVMTypeRef unit_value_type(const struct unit *unit, value_type type)
{
    switch (type_kind(type)) {
    case KIND_I32:
        return unit->i32;
    case KIND_I64:
        return unit->i64;
    case KIND_F32:
        return unit->f32;
    case KIND_F64:
        return unit->f64;
    case KIND_V128:
        return unit->v128;
    case KIND_REF:
    case KIND_REF_NULL:
    case KIND_BOTTOM:
    case KIND_I8:
    case KIND_I16:
        break;
    }
    return unit->ptr;
}

/* What x86-64 returns in registers: rax rdx rcx, xmm0 xmm1. */
#define RESULT_INTEGER_REGISTERS 3u
#define RESULT_FLOAT_REGISTERS   2u

static enum result_form result_form(const struct defined_type *type)
{
    uint32_t integers = 0;
    uint32_t floats = 0;

    for (uint32_t i = 0; i < type->result_count; i++) {
        enum value_kind kind = type_kind(type->results[i]);
        bool is_float = kind == KIND_F32 || kind == KIND_F64 || kind == KIND_V128;
        *(is_float ? &floats : &integers) += 1;
    }
    if (type->result_count <= 1) {
        return type->result_count == 0 ? RESULT_NONE : RESULT_VALUE;
    }
    return integers <= RESULT_INTEGER_REGISTERS && floats <= RESULT_FLOAT_REGISTERS ? RESULT_STRUCT
                                                                                    : RESULT_MEMORY;
}

struct signature *unit_signature(struct unit *unit, uint32_t type)
{
    struct signature *out = &unit->signatures[type];
    const struct defined_type *defined = &unit->module->types[type];
    LLVMTypeRef params[MODULE_MAX_PARAMS + 1];
    LLVMTypeRef results[RESULT_INTEGER_REGISTERS + RESULT_FLOAT_REGISTERS];
    uint32_t count = defined->param_count;

    if (out->internal != NULL) {
        return out;
    }
    for (uint32_t i = 0; i < count; i++) {
        params[i] = unit_value_type(unit, defined->params[i]);
    }
    params[count] = unit->ptr;
    out->form = result_form(defined);
    out->result = unit->void_type;
    if (out->form == RESULT_VALUE) {
        out->result = unit_value_type(unit, defined->results[0]);
    } else if (out->form == RESULT_STRUCT) {
        for (uint32_t i = 0; i < defined->result_count; i++) {
            results[i] = unit_value_type(unit, defined->results[i]);
        }
        out->result = LLVMStructTypeInContext(unit->context, results, defined->result_count, 0);
    }
    out->internal = LLVMFunctionType(out->result, params, count + (out->form == RESULT_MEMORY), 0);
    out->boundary = out->internal;
    if (defined->result_count > 1) {
        out->boundary = LLVMFunctionType(unit->void_type, params, count + 1, 0);
    }
    return out;
}

LLVMValueRef unit_function(struct unit *unit, uint32_t index)
{
    const struct function *function = &unit->module->functions[index];
    LLVMValueRef out = unit->functions[index];

    if (out != NULL) {
        return out;
    }
    const struct signature *signature = unit_signature(unit, function->type);
    if (function->import != NULL) {
        char *symbol =
            layout_import_symbol(unit->module, function->import, unit->gen->options->symbol_prefix);
        /* One field may be imported several times; it is one symbol then. */
        out = LLVMGetNamedFunction(unit->llvm, symbol);
        if (out == NULL) {
            out = LLVMAddFunction(unit->llvm, symbol, signature->boundary);
            LLVMAddAttributeAtIndex(out, (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
                                    enum_attribute(unit, "nounwind", 0));
        }
        free(symbol);
    } else {
        char *symbol = layout_function_symbol(unit->module, index);
        out = LLVMAddFunction(unit->llvm, symbol, signature->internal);
        free(symbol);
        unit_set_attributes(unit, out);
        LLVMSetFunctionCallConv(out, unit_internal_convention(unit));
        if (unit_is_split(unit)) {
            LLVMSetVisibility(out, LLVMHiddenVisibility);
        } else {
            LLVMSetLinkage(out, LLVMInternalLinkage);
        }
    }
    unit->functions[index] = out;
    return out;
}

LLVMValueRef unit_type_symbol(struct unit *unit, uint32_t type)
{
    uint32_t canonical = unit->module->types[type].canonical;
    LLVMValueRef out = unit->type_symbols[canonical];

    if (out == NULL) {
        char *symbol = layout_type_symbol(unit->module, canonical);
        out = LLVMAddGlobal(unit->llvm, unit->i8, symbol);
        free(symbol);
        LLVMSetInitializer(out, LLVMConstInt(unit->i8, 0, 0));
        LLVMSetGlobalConstant(out, 1);
        LLVMSetLinkage(out, LLVMWeakAnyLinkage);
        LLVMSetVisibility(out, LLVMHiddenVisibility);
        out = LLVMConstPtrToInt(out, unit->i64);
        unit->type_symbols[canonical] = out;
    }
    return out;
}

LLVMValueRef unit_function_ref(struct unit *unit, uint32_t index)
{
    LLVMValueRef out = unit->function_refs[index];

    if (out == NULL) {
        LLVMValueRef parts[2] = {unit_function_code(unit, index),
                                 unit_type_symbol(unit, unit->module->functions[index].type)};
        char name[32];
        snprintf(name, sizeof(name), "wasm_ref.%u", index);
        out = LLVMAddGlobal(unit->llvm, unit->function_pair, name);
        LLVMSetInitializer(out, LLVMConstStructInContext(unit->context, parts, 2, 0));
        LLVMSetGlobalConstant(out, 1);
        LLVMSetLinkage(out, LLVMInternalLinkage);
        unit->function_refs[index] = out;
    }
    return out;
}

LLVMValueRef unit_runtime(struct unit *unit, const char *name, LLVMTypeRef type)
{
    LLVMValueRef out = LLVMGetNamedFunction(unit->llvm, name);

    if (out == NULL) {
        out = LLVMAddFunction(unit->llvm, name, type);
        LLVMAddAttributeAtIndex(out, (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
                                enum_attribute(unit, "nounwind", 0));
    }
    return out;
}

LLVMValueRef unit_call_intrinsic(struct unit *unit, const char *name, LLVMTypeRef *overloads,
                                 unsigned overload_count, LLVMValueRef *arguments,
                                 unsigned argument_count)
{
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    LLVMValueRef function = LLVMGetIntrinsicDeclaration(unit->llvm, id, overloads, overload_count);
    LLVMTypeRef type = LLVMIntrinsicGetType(unit->context, id, overloads, overload_count);

    return LLVMBuildCall2(unit->builder, type, function, arguments, argument_count, "");
}

LLVMValueRef unit_opaque_i64(struct unit *unit, uint64_t value)
{
    LLVMTypeRef type = LLVMFunctionType(unit->i64, &unit->i64, 1, 0);
    char text[] = "";
    char constraints[] = "=r,0";
    LLVMValueRef code =
        LLVMGetInlineAsm(type, text, 0, constraints, 4, 0, 0, LLVMInlineAsmDialectATT, 0);
    LLVMValueRef argument = unit_i64(unit, value);

    return LLVMBuildCall2(unit->builder, type, code, &argument, 1, "");
}

void unit_for_each_instruction(struct unit *unit, unit_visitor *visit)
{
    for (LLVMValueRef function = LLVMGetFirstFunction(unit->llvm); function != NULL;
         function = LLVMGetNextFunction(function)) {
        for (LLVMBasicBlockRef block = LLVMGetFirstBasicBlock(function); block != NULL;
             block = LLVMGetNextBasicBlock(block)) {
            for (LLVMValueRef in = LLVMGetFirstInstruction(block); in != NULL;
                 in = LLVMGetNextInstruction(in)) {
                visit(unit, in);
            }
        }
    }
}

void unit_find_memory_zero(struct unit *unit)
{
    unit->memory_zero = LLVMGetNamedGlobal(unit->llvm, "wasm_memory");
}

void unit_remove_intrinsic(struct unit *unit, const char *name, void (*remove)(LLVMValueRef call))
{
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    LLVMValueRef next;

    for (LLVMValueRef function = LLVMGetFirstFunction(unit->llvm); function != NULL;
         function = next) {
        LLVMUseRef use;

        next = LLVMGetNextFunction(function);
        if (LLVMGetIntrinsicID(function) == id) {
            while ((use = LLVMGetFirstUse(function)) != NULL) {
                remove(LLVMGetUser(use));
            }
            LLVMDeleteFunction(function);
        }
    }
}

unsigned unit_first_edge(LLVMValueRef phi, unsigned at)
{
    unsigned first = 0;

    while (LLVMGetIncomingBlock(phi, first) != LLVMGetIncomingBlock(phi, at)) {
        first++;
    }
    return first;
}
