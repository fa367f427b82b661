/*
 * A backtrace by frame pointers on the log console, over the kernel's stacks and the
 * Wasm stack; every pointer is checked before it is followed. Any context.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * `rip` is printed first; then the return addresses from frame pointer `rbp` up, equal
 * neighbours once. With wasm_only it stops where the kernel called compiled code.
 */
void backtrace_print(uint64_t rip, uint64_t rbp, bool wasm_only);

/* Up to `max` addresses, innermost first, for others to keep; returns how many. */
size_t backtrace_collect(uint64_t rip, uint64_t rbp, uint64_t *out, size_t max);
