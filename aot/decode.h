/*
 * What the files of the decoder share. Not for the rest of the compiler, which sees
 * aot/module.h. All functions report errors through the reader's diag.
 */
#pragma once

#include "aot/module.h"
#include "aot/reader.h"

/* Marks a feature as used; an error when it is not enabled. */
void module_use_feature(struct module *module, struct reader *reader, enum feature feature);

/* A vector's length: at least min_bytes of what is left must follow for each entry. */
uint32_t read_count(struct reader *reader, uint32_t min_bytes, const char *what);
struct name read_name(struct reader *reader);
struct limits read_limits(struct module *module, struct reader *reader, bool is_memory);

/* Value types with canonical indices. */
value_type read_value_type(const struct module *module, struct reader *reader);
value_type read_ref_type(const struct module *module, struct reader *reader);
uint32_t read_heap_type(const struct module *module, struct reader *reader);
/* A type index, checked to be a function type; canonical. */
uint32_t read_function_type_index(const struct module *module, struct reader *reader);

struct expression read_expression(const struct module *module, struct reader *reader);

void decode_types(struct module *module, struct reader *reader);
void decode_imports(struct module *module, struct reader *reader);
void decode_functions(struct module *module, struct reader *reader);
void decode_tables(struct module *module, struct reader *reader);
void decode_memories(struct module *module, struct reader *reader);
void decode_globals(struct module *module, struct reader *reader);
void decode_tags(struct module *module, struct reader *reader);
void decode_exports(struct module *module, struct reader *reader);
void decode_start(struct module *module, struct reader *reader);
void decode_elements(struct module *module, struct reader *reader);
void decode_data_count(struct module *module, struct reader *reader);
void decode_data(struct module *module, struct reader *reader);
void decode_code(struct module *module, struct reader *reader);

/* Names of functions and of the module; what is malformed is left out silently. */
void decode_names(struct module *module);
/* After the code section; a malformed section sets hint_warning. */
void decode_hints(struct module *module);
