/*
 * What compiled code needs from the kernel around it: its linear memories and its
 * stack, and the way in.
 *
 * wasm_runtime_prepare maps the memories of the module at their minimum size and
 * makes the stack; wasm_call then runs functions of the module on that stack with
 * the SMAP window open. A trap does not return: it is reported and ends the machine.
 * Normal kernel context; wasm_call does not nest.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kernel/base/err.h"
#include "kernel/base/wasm_abi.h"

/* The module linked into this image. */
extern const struct wasm_module wasm_module;

/* ERR_NOMEM when the RAM cannot hold the minimum; ERR_NOTSUP for an imported memory. */
enum err wasm_runtime_prepare(const struct wasm_module *module) WARN_UNUSED;
void wasm_call(void (*function)(void));

/* Bytes of the guest's memory that are backed by RAM now. */
uint64_t wasm_runtime_resident_bytes(void);
