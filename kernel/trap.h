/*
 * Exceptions: what they mean, and what happens then.
 *
 * A fault of compiled code is a Wasm trap: it is reported with the official text and a
 * backtrace and ends the machine with EXIT_CODE_TRAP. A first touch of guest memory
 * or of the Wasm stack is answered with a page. Anything else is a bug of the kernel:
 * registers, backtrace, EXIT_CODE_PANIC.
 */
#pragma once

/* Installs the exception handler; before it, an exception halts. */
void trap_initialize(void);
