/*
 * Decodes and validates a module without ending the process, for tests that feed the compiler
 * modules which may be refused.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "aot/module.h"

/*
 * diag and arena are initialised by the caller, who destroys the arena; the module lives in it and
 * points into data. NULL when the module is refused: diag->message says why.
 */
struct module *load_module(struct arena *arena, struct diag *diag, const uint8_t *data, size_t size,
                           uint32_t features);
