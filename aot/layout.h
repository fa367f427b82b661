/*
 * The names that leave the object: mangled imports, type symbols, function symbols.
 * They are part of the contract in kernel/base/wasm_abi.h.
 *
 * A returned text is malloc'ed and belongs to the caller. Any thread.
 */
#pragma once

#include "aot/module.h"

/* wasm_import__<module>__<field>__<signature> and its siblings for other kinds. */
char *layout_import_symbol(const struct module *module, const struct import *import,
                           const char *prefix);

/* wasm_type.<signature> */
char *layout_type_symbol(const struct module *module, uint32_t type);

/* wasm.<index>.<name>, characters that would upset symbol tables replaced by '_'. */
char *layout_function_symbol(const struct module *module, uint32_t index);

/* The signature of a function type, as type_signature, of any length. */
char *layout_signature(const struct module *module, uint32_t type);

/* The letters of one value type as they stand in a signature. */
char *layout_value_text(const struct module *module, value_type type);

/* A global's type: its letters, then m if it is mutable. */
char *layout_global_text(const struct module *module, uint32_t index);

/* One component of a mangled name appended to out, which must have room for
 * LAYOUT_MANGLED_MAX(length) characters; returns the end. */
#define LAYOUT_MANGLED_MAX(length) (3 * (size_t)(length))
char *layout_mangle(char *out, const uint8_t *bytes, size_t length);
