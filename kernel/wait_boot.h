/*
 * The kernel's own side of kernel/wait.h.
 */
#pragma once

#include <stdint.h>

/* The monotonic time at which the watchdog ends the machine; WAIT_FOREVER: never. */
void wait_set_limit(uint64_t limit_ns);
/*
 * The timer interrupted `rip` with frame pointer `rbp`. Ends the machine with
 * EXIT_CODE_TIMEOUT and a backtrace once the limit has passed. Interrupt context.
 */
void wait_timer_fired(uint64_t rip, uint64_t rbp);
/* For irq_set_idle_work: one round of the pollers while Wasm code is interrupted. */
void wait_work_in_interrupt(void);
