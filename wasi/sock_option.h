/*
 * Socket options by WasmEdge's numbers. Values are little-endian integers or small structures in
 * kernel memory here; the callers move them. Normal kernel context.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernel/base/err.h"
#include "wasi/descriptor.h"

#define WASI_OPTION_VALUE_BYTES 16u

/*
 * ERR_NOPROTOOPT for an option that does not exist or that Wafer cannot honour, ERR_INVAL for a
 * bad value.
 */
enum err wasi_option_get(struct wasi_descriptor *descriptor, uint32_t level, uint32_t name,
                         uint8_t value[WASI_OPTION_VALUE_BYTES], uint32_t *size_bytes) WARN_UNUSED;
enum err wasi_option_set(struct wasi_descriptor *descriptor, uint32_t level, uint32_t name,
                         const uint8_t *value, uint32_t size_bytes) WARN_UNUSED;
