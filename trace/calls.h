/*
 * What kernel/x86/trace_entry.S calls around each imported function. `index` counts the lines
 * of wasi/imports.def; the arguments are as wide as registers. Normal kernel context, on
 * behalf of the guest. A call that ends the machine has no end.
 */
#pragma once

#include <stdint.h>

void trace_call_begin(uint32_t index, const uint64_t *arguments);
void trace_call_end(uint32_t index, uint64_t result);
