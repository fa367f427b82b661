/*
 * The one way out: every end of the machine goes through machine_exit.
 *
 * Exit codes: what the application gave to proc_exit (0 when _start returns); 134
 * after a trap; 125 when the kernel panicked, a boot step failed or an assertion of
 * ours broke; 124 when the time limit of the command line (timeout=) passed; 143 when an NMI asked
 * for the end.
 * Any context.
 */
#pragma once

#include <stdint.h>

#define EXIT_CODE_TRAP    134u
#define EXIT_CODE_STOPPED 143u
#define EXIT_CODE_PANIC   125u
#define EXIT_CODE_TIMEOUT 124u

/* `farewell` runs first when the application ends by itself; not after a panic. */
void poweroff_set_farewell(void (*farewell)(void));

/*
 * Prints `wafer: exit code N` on the log console, tells QEMU through isa-debug-exit at
 * port 0x501 (status 2N+1 mod 256), then powers off, resets, and at last halts.
 */
_Noreturn void machine_exit(uint32_t code);
