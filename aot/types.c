#include "aot/types.h"

#include <stdio.h>
#include <string.h>

#include "aot/module.h"

uint32_t heap_top(const struct module *module, uint32_t heap)
{
    if (!heap_is_abstract(heap)) {
        return module->types[heap].composite == COMPOSITE_FUNC ? HEAP_FUNC : HEAP_ANY;
    }
    switch (heap) {
    case HEAP_FUNC:
    case HEAP_NOFUNC:
        return HEAP_FUNC;
    case HEAP_EXTERN:
    case HEAP_NOEXTERN:
        return HEAP_EXTERN;
    case HEAP_EXN:
    case HEAP_NOEXN:
        return HEAP_EXN;
    default:
        return HEAP_ANY;
    }
}

/* The bottom of each hierarchy matches everything in it. */
static bool heap_is_bottom(uint32_t heap)
{
    return heap == HEAP_NONE || heap == HEAP_NOFUNC || heap == HEAP_NOEXTERN || heap == HEAP_NOEXN;
}

static bool concrete_is_subtype(const struct module *module, uint32_t sub, uint32_t super)
{
    if (!heap_is_abstract(super)) {
        /* Supertypes have smaller indices, so the walk ends. */
        while (sub != super && module->types[sub].has_supertype) {
            sub = module->types[sub].supertype;
        }
        return sub == super;
    }
    switch (module->types[sub].composite) {
    case COMPOSITE_FUNC:
        return super == HEAP_FUNC;
    case COMPOSITE_STRUCT:
        return super == HEAP_STRUCT || super == HEAP_EQ || super == HEAP_ANY;
    case COMPOSITE_ARRAY:
        return super == HEAP_ARRAY || super == HEAP_EQ || super == HEAP_ANY;
    }
    return false;
}

/* Wasm core §3.3.4 */
bool heap_is_subtype(const struct module *module, uint32_t sub, uint32_t super)
{
    if (sub == super || sub == HEAP_BOTTOM) {
        return true;
    }
    if (!heap_is_abstract(sub)) {
        return concrete_is_subtype(module, sub, super);
    }
    if (heap_is_bottom(sub)) {
        return heap_top(module, sub) == heap_top(module, super);
    }
    if (sub == HEAP_EQ) {
        return super == HEAP_ANY;
    }
    if (sub == HEAP_I31 || sub == HEAP_STRUCT || sub == HEAP_ARRAY) {
        return super == HEAP_EQ || super == HEAP_ANY;
    }
    return false;
}

/* Wasm core §3.3.5 */
bool type_is_subtype(const struct module *module, value_type sub, value_type super)
{
    if (sub == super || sub == TYPE_BOTTOM) {
        return true;
    }
    if (!type_is_ref(sub) || !type_is_ref(super)) {
        return false;
    }
    if (type_is_nullable(sub) && !type_is_nullable(super)) {
        return false;
    }
    return heap_is_subtype(module, type_heap(sub), type_heap(super));
}

static const char *abstract_heap_text(uint32_t heap)
{
    switch (heap) {
    case HEAP_NOEXN:
        return "noexn";
    case HEAP_NOFUNC:
        return "nofunc";
    case HEAP_NOEXTERN:
        return "noextern";
    case HEAP_NONE:
        return "none";
    case HEAP_FUNC:
        return "func";
    case HEAP_EXTERN:
        return "extern";
    case HEAP_ANY:
        return "any";
    case HEAP_EQ:
        return "eq";
    case HEAP_I31:
        return "i31";
    case HEAP_STRUCT:
        return "struct";
    case HEAP_ARRAY:
        return "array";
    case HEAP_EXN:
        return "exn";
    default:
        return "unknown";
    }
}

const char *type_text(value_type type, char text[32])
{
    switch (type_kind(type)) {
    case KIND_I32:
        return "i32";
    case KIND_I64:
        return "i64";
    case KIND_F32:
        return "f32";
    case KIND_F64:
        return "f64";
    case KIND_V128:
        return "v128";
    case KIND_I8:
        return "i8";
    case KIND_I16:
        return "i16";
    case KIND_BOTTOM:
        return "any type";
    case KIND_REF_NULL:
    case KIND_REF:
        break;
    }
    const char *null = type_is_nullable(type) ? "null " : "";
    uint32_t heap = type_heap(type);
    if (type == TYPE_FUNCREF || type == TYPE_EXTERNREF || type == TYPE_EXNREF) {
        snprintf(text, 32, "%sref", abstract_heap_text(heap));
    } else if (heap_is_abstract(heap)) {
        snprintf(text, 32, "(ref %s%s)", null, abstract_heap_text(heap));
    } else {
        snprintf(text, 32, "(ref %s%u)", null, heap);
    }
    return text;
}

struct text {
    char *bytes;
    size_t room;
    size_t used; /* as if there were room for everything */
};

static void text_put(struct text *text, char c)
{
    if (text->used + 1 < text->room) {
        text->bytes[text->used] = c;
        text->bytes[text->used + 1] = 0;
    }
    text->used++;
}

static void text_put_string(struct text *text, const char *string)
{
    for (; *string != 0; string++) {
        text_put(text, *string);
    }
}

static void text_put_digest(struct text *text, const struct defined_type *type)
{
    for (size_t i = 0; i < sizeof(type->digest); i++) {
        text_put(text, "0123456789abcdef"[type->digest[i] >> 4]);
        text_put(text, "0123456789abcdef"[type->digest[i] & 15]);
    }
}

static char value_letter(value_type type)
{
    switch (type) {
    case TYPE_I32:
        return 'i';
    case TYPE_I64:
        return 'I';
    case TYPE_F32:
        return 'f';
    case TYPE_F64:
        return 'F';
    case TYPE_V128:
        return 'V';
    case TYPE_FUNCREF:
        return 'r';
    case TYPE_EXTERNREF:
        return 'e';
    case TYPE_EXNREF:
        return 'x';
    default:
        return 0;
    }
}

static void text_put_types(struct text *text, const struct module *module, const value_type *types,
                           uint32_t count)
{
    if (count == 0) {
        text_put(text, 'v');
    }
    for (uint32_t i = 0; i < count; i++) {
        char letter = value_letter(types[i]);
        if (letter != 0) {
            text_put(text, letter);
            continue;
        }
        text_put(text, '{');
        text_put(text, type_is_nullable(types[i]) ? 'n' : 'r');
        uint32_t heap = type_heap(types[i]);
        if (heap_is_abstract(heap)) {
            text_put_string(text, abstract_heap_text(heap));
        } else {
            text_put_digest(text, &module->types[heap]);
        }
        text_put(text, '}');
    }
}

size_t type_signature(const struct module *module, uint32_t type, char *text, size_t text_bytes)
{
    const struct defined_type *defined = &module->types[type];
    struct text out = {text, text_bytes, 0};
    if (text_bytes != 0) {
        text[0] = 0;
    }
    if (!defined->is_final || defined->has_supertype || defined->group_count > 1) {
        text_put(&out, '{');
        text_put_digest(&out, defined);
        text_put(&out, '}');
    }
    text_put_types(&out, module, defined->params, defined->param_count);
    text_put(&out, '_');
    text_put_types(&out, module, defined->results, defined->result_count);
    return out.used;
}
