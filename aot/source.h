/*
 * Brings the input module into memory: a .wasm file as it is, a .wat file through
 * wabt's wat2wasm.
 *
 * The caller owns the struct and hands it back to source_unload. Hosted; main thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct source {
    const uint8_t *bytes;
    size_t length;
};

/* On failure prints one sentence to stderr and exits with status 1. */
void source_load(struct source *out, const char *path);
void source_unload(struct source *source);
