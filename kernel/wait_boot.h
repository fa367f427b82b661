/*
 * The kernel's own side of kernel/wait.h.
 */
#pragma once

#include <stdint.h>

/* The monotonic time at which the watchdog ends the machine; WAIT_FOREVER: never. */
void wait_set_limit(uint64_t limit_ns);
/* For irq_set_idle_work: one round of the pollers while Wasm code is interrupted. */
void wait_work_in_interrupt(void);
