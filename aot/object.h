/*
 * Writes what code generation produced: one buffer as it is, several joined into one
 * relocatable object by the linker.
 */
#pragma once

#include "aot/codegen.h"

/* Takes the buffers over. On failure prints one sentence, removes what it had written of
 * the output and exits with status 1. */
void object_write(const char *path, enum emit_kind kind, struct codegen_output *output);
