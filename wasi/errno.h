/*
 * The one table from enum err to WASI errno numbers. Pure; any context.
 */
#pragma once

#include <stdint.h>

#include "kernel/base/err.h"

/* An unknown error becomes EIO. */
uint32_t wasi_errno_of(enum err error);

/* What an imported function returns for `error`. */
static inline uint32_t wasi_errno(enum err error)
{
    return __builtin_expect(error == ERR_OK, 1) ? 0 : wasi_errno_of(error);
}
