/* Locals and globals (Wasm core §4.4.5). */
#include "aot/codegen.h"

static void emit_global_get(struct fn *fn)
{
    struct unit *unit = fn->unit;
    LLVMValueRef constant = unit_global_constant(unit, fn->in.index);

    if (constant != NULL) {
        fn_push(fn, constant);
        return;
    }
    LLVMTypeRef type = unit_value_type(unit, fn->module->globals[fn->in.index].type);
    LLVMValueRef load = LLVMBuildLoad2(fn->builder, type, unit_global(unit, fn->in.index), "");
    LLVMSetAlignment(load, 8);
    unit_tag_access(unit, load, SCOPE_GLOBAL);
    fn_push(fn, load);
}

static void emit_global_set(struct fn *fn)
{
    LLVMValueRef value = fn_canonical(fn, fn_pop(fn));
    LLVMValueRef store = LLVMBuildStore(fn->builder, value, unit_global(fn->unit, fn->in.index));

    LLVMSetAlignment(store, 8);
    unit_tag_access(fn->unit, store, SCOPE_GLOBAL);
}

bool emit_variable(struct fn *fn)
{
    switch ((unsigned)fn->in.opcode) {
    case OP_LOCAL_GET: {
        LLVMTypeRef type = unit_value_type(fn->unit, fn->local_types[fn->in.index]);
        LLVMValueRef value = LLVMBuildLoad2(fn->builder, type, fn_local(fn, fn->in.index), "");
        fn_push(fn, value);
        debug_get_local(fn, fn->in.index, value);
        break;
    }
    case OP_LOCAL_SET: {
        LLVMValueRef value = fn_canonical(fn, fn_pop(fn));
        LLVMBuildStore(fn->builder, value, fn_local(fn, fn->in.index));
        debug_set_local(fn, fn->in.index, value);
        break;
    }
    case OP_LOCAL_TEE: {
        LLVMValueRef value = fn_canonical(fn, fn_pop(fn));
        LLVMBuildStore(fn->builder, value, fn_local(fn, fn->in.index));
        fn_push(fn, value);
        debug_set_local(fn, fn->in.index, value);
        break;
    }
    case OP_GLOBAL_GET:
        emit_global_get(fn);
        break;
    case OP_GLOBAL_SET:
        emit_global_set(fn);
        break;
    default:
        return false;
    }
    return true;
}
