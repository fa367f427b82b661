/*
 * The one table from enum err to WASI errno numbers. Pure; any context.
 */
#pragma once

#include <stdint.h>

#include "kernel/base/err.h"

/* What an imported function returns for `error`; an unknown one becomes EIO. */
uint32_t wasi_errno(enum err error);
