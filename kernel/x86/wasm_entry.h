/*
 * The border between the kernel and compiled code (wasm_entry.S): the way in, and what
 * the way back calls. Normal kernel context; does not nest.
 */
#pragma once

#include <stdint.h>

#include "kernel/base/wasm_abi.h"

void wasm_enter(void (*function)(void), void *stack_top);
/* Where compiled code returns to from its outermost function: the end of its backtrace. */
extern const char wasm_enter_return[];

/* The kernel's side of the wasm_rt_ functions (wasm_abi.h). */
uint64_t wasm_runtime_memory_grow(struct wasm_memory *memory, uint64_t delta_pages);
uint64_t wasm_runtime_table_grow(struct wasm_table *table, uint64_t delta);
uint64_t wasm_runtime_exception_refill(struct wasm_exception_pool *pool, const uint64_t *stack);

/*
 * Set by interrupt handlers that found the kernel active: wasm_runtime_return_work then
 * runs before compiled code goes on, in normal kernel context. It clears the flag.
 */
extern volatile uint8_t wasm_return_pending;
void wasm_runtime_return_work(void);
