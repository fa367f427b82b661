/*
 * A home for compiled modules in an ordinary Linux process: what the kernel is in the image.
 * The program must be linked statically, at fixed addresses, with
 * wasm_memory = HOST_MEMORY_BASE.
 *
 * Several modules may live in one program. Each linear memory is a memfd that is mapped
 * twice: for good at wasm_memory.base, and at HOST_MEMORY_BASE while its module runs
 * ("active"), so that compiled code is the code that the image runs.
 *
 * One thread. The functions end the process with a message when the system refuses.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kernel/base/wasm_abi.h"

#define HOST_MEMORY_BASE 0x60000000ull

/* Signal handlers, the stack of compiled code. Call first, once. */
void host_init(void);

/*
 * Runs function(argument) on the Wasm stack. Returns WASM_TRAP_NONE or the trap that
 * ended it; the memory that was active before is active afterwards.
 */
enum wasm_trap host_call(void (*function)(void *argument), void *argument);

/* "out of bounds memory access", ... */
const char *host_trap_text(enum wasm_trap trap);

/* Creates the memory unless it exists; false: it is larger than this host allows. */
bool host_memory_create(struct wasm_memory *memory);

/* Makes the memory the one at HOST_MEMORY_BASE; NULL leaves things as they are. */
void host_memory_activate(struct wasm_memory *memory);
struct wasm_memory *host_memory_active(void);

/* True for an address inside the reservation of any memory. */
bool host_memory_contains(uintptr_t address);
