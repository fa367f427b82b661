/*
 * The kernel's own side of kernel/wait.h.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The monotonic time at which the watchdog ends the machine; WAIT_FOREVER: never. */
void wait_set_limit(uint64_t limit_ns);
/*
 * The timer interrupted `rip` with frame pointer `rbp`. Once the limit has passed the
 * machine ends with EXIT_CODE_TIMEOUT and a backtrace: at once when compiled code or
 * nothing was running, else as soon as the kernel comes to such a point. Interrupt context.
 */
void wait_timer_fired(uint64_t rip, uint64_t rbp, bool in_wasm);
/*
 * Ends the machine with EXIT_CODE_STOPPED, as the time limit would: the farewell is said. For a
 * request from outside. Even in an NMI.
 */
void wait_request_stop(void);
/*
 * The first round of the pollers: from here on devices are served even when the
 * application never waits. Normal kernel context.
 */
void wait_begin(void);
/*
 * After the handlers of every interrupt. Polls at once when it interrupted compiled
 * code; else the kernel polls, at the latest before it returns to compiled code.
 */
void wait_after_interrupt(bool in_wasm);
