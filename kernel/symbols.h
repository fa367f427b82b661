/*
 * Names for code addresses: kernel functions and the module's, from a table that
 * the second link of the image brings in (scripts/symbols.py). Any context.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The function around `address`; false without a table or outside of text. */
bool symbols_find(uint64_t address, const char **out_name, uint64_t *out_offset);

/*
 * For reports: "name+0x12", and for Wasm functions "name (wasm function 7)+0x12";
 * "0x..." when unknown. NUL-terminated, cut to the buffer.
 */
void symbols_describe(uint64_t address, char *out, size_t size_bytes);
