/*
 * Where the Wasm stack is. RSP inside it means that compiled code is running and the
 * kernel is not (kernel/x86/wasm_entry.S). Any context.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Unmapped space below the stack; an address there is an overflow of it. */
#define WASM_STACK_GUARD_BYTES (1u << 20)

bool wasm_stack_contains(uint64_t address);
bool wasm_stack_guard_contains(uint64_t address);
