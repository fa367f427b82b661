/* Constant expressions (Wasm core §3.3.13): folded by LLVM's builder where they can be. */
#include <stdio.h>
#include <stdlib.h>

#include "aot/codegen.h"

static LLVMOpcode arithmetic(enum opcode opcode)
{
    switch ((unsigned)opcode) {
    case OP_I32_ADD:
    case OP_I64_ADD:
        return LLVMAdd;
    case OP_I32_SUB:
    case OP_I64_SUB:
        return LLVMSub;
    default:
        return LLVMMul;
    }
}

static LLVMValueRef global_value(struct unit *unit, uint32_t index)
{
    LLVMValueRef constant = unit_global_constant(unit, index);

    if (constant != NULL) {
        return constant;
    }
    LLVMTypeRef type = unit_value_type(unit, unit->module->globals[index].type);
    LLVMValueRef load = LLVMBuildLoad2(unit->builder, type, unit_global(unit, index), "");
    LLVMSetAlignment(load, 8);
    return load;
}

LLVMValueRef unit_expression(struct unit *unit, struct expression expression)
{
    struct reader reader = module_reader(unit->module, expression.start, expression.end);
    LLVMValueRef *stack = calloc(expression.end - expression.start + 1u, sizeof(*stack));
    LLVMValueRef *top = stack;
    struct instruction in;

    if (stack == NULL) {
        fputs("waferc: out of memory\n", stderr);
        exit(1);
    }
    for (;;) {
        instruction_read(unit->module, &reader, &in);
        LLVMValueRef constant = unit_constant(unit, &in);
        if (constant != NULL) {
            *top++ = constant;
        } else if (in.opcode == OP_END) {
            break;
        } else if (in.opcode == OP_REF_NULL) {
            *top++ = LLVMConstNull(unit->ptr);
        } else if (in.opcode == OP_REF_FUNC) {
            *top++ = unit_function_ref(unit, in.index);
        } else if (in.opcode == OP_GLOBAL_GET) {
            *top++ = global_value(unit, in.index);
        } else {
            top--;
            top[-1] = LLVMBuildBinOp(unit->builder, arithmetic(in.opcode), top[-1], *top, "");
        }
    }
    LLVMValueRef value = top[-1];
    free(stack);
    return value;
}
