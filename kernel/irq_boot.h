/*
 * The kernel's own side of interrupts: start-up, and what wait.c needs to sleep without
 * missing one. Normal kernel context.
 */
#pragma once

#include <stdint.h>

#include "kernel/base/err.h"

enum err irq_initialize(void) WARN_UNUSED;
/* Changes whenever a handler ran or the timer fired. */
uint32_t irq_event_count(void);
