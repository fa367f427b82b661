/*
 * The exceptions of a compiled module: slots of one size in chunks, handed out in turn
 * (struct wasm_exception_pool in wasm_abi.h). Compiled code takes the next free slot of the
 * chunk that it is in, and comes here at the chunk's end.
 *
 * A slot is given back by the handler that consumes the exception. What nobody gave back,
 * because an exnref went into a global, a table or nowhere, is found by marking: globals,
 * tables and the payload of exceptions are known; on the stack every word that looks like a
 * slot's address keeps the slot. Chunks grow when most slots are alive.
 *
 * Called on behalf of compiled code, not reentrant.
 */
#pragma once

#include <stdbool.h>

#include "kernel/base/wasm_abi.h"

/* wasm_rt_table_grow or what stands behind it. */
typedef uint64_t exception_pool_grow(struct wasm_table *table, uint64_t delta);

/*
 * Makes the cursor stand in front of a free slot, of this chunk or of another. `stack` and
 * `stack_end` bound the words of the stack, callee-saved registers spilled there. False
 * when all exceptions live and there is no memory for more.
 */
bool exception_pool_refill(struct wasm_exception_pool *pool, const uint64_t *stack,
                           const uint64_t *stack_end, exception_pool_grow *grow);
