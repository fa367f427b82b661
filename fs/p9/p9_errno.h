/* The error numbers of a 9P2000.L server: Linux's, whatever the server runs on. */
#pragma once

#include <stdint.h>

#include "kernel/base/err.h"

/* Never ERR_OK; ERR_IO for numbers that mean nothing to a file system. */
enum err p9_errno(uint32_t number) WARN_UNUSED;
