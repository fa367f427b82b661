#include "aot/decode.h"

/* Code section, Wasm core §5.5.13: bounds and locals; the validator reads the code. */

static void read_locals(struct module *module, struct reader *reader, struct function *function)
{
    uint32_t start = reader_offset(reader);
    uint64_t count = module->types[function->type].param_count;
    uint32_t run_count = read_count(reader, 2, "local declarations");
    for (uint32_t i = 0; i < run_count; i++) {
        count += reader_leb_u32(reader);
        read_value_type(module, reader);
        if (count > UINT32_MAX) {
            diag_fail(reader->diag, start, "too many locals");
        }
    }
    if (count > MODULE_MAX_LOCALS) {
        diag_fail(reader->diag, start, "too many locals: %llu, this compiler allows %u",
                  (unsigned long long)count, MODULE_MAX_LOCALS);
    }
    function->local_count = (uint32_t)count;
    if (function->local_count > module->local_count_max) {
        module->local_count_max = function->local_count;
    }
}

static void read_body(struct module *module, struct reader *reader, uint32_t index)
{
    struct function *function = &module->functions[index];
    module->diag->function = index;
    uint32_t start = reader_offset(reader);
    uint32_t length = reader_leb_u32(reader);
    if (length > reader_left(reader)) {
        diag_fail(reader->diag, start, "unexpected end of section or function: %u bytes of code",
                  length);
    }
    struct reader body = *reader;
    body.end = body.next + length;
    reader->next += length;
    function->body_start = reader_offset(&body);
    function->body_end = reader_offset(reader);
    read_locals(module, &body, function);
    function->code_start = reader_offset(&body);
    module->diag->function = DIAG_NO_FUNCTION;
}

void decode_code(struct module *module, struct reader *reader)
{
    module->code_section_start = reader_offset(reader);
    module->code_section_end = (uint32_t)(reader->end - reader->start);
    uint32_t start = reader_offset(reader);
    uint32_t count = reader_leb_u32(reader);
    uint32_t defined = module->function_count - module->imported_function_count;
    if (count != defined) {
        diag_fail(reader->diag, start,
                  "function and code section have inconsistent lengths: %u and %u", defined, count);
    }
    for (uint32_t i = 0; i < count; i++) {
        read_body(module, reader, module->imported_function_count + i);
    }
}

void function_local_types(const struct module *module, const struct function *function,
                          value_type *types)
{
    const struct defined_type *type = &module->types[function->type];
    uint32_t filled = 0;
    for (; filled < type->param_count; filled++) {
        types[filled] = type->params[filled];
    }
    const uint8_t *start = module->bytes;
    struct reader reader = {start, start + function->body_start, start + function->code_start,
                            module->diag, "unexpected end"};
    uint32_t run_count = reader_leb_u32(&reader);
    for (uint32_t i = 0; i < run_count; i++) {
        uint32_t count = reader_leb_u32(&reader);
        value_type local = read_value_type(module, &reader);
        for (; count != 0 && filled < function->local_count; count--) {
            types[filled++] = local;
        }
    }
}
