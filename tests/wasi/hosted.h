/*
 * The WASI layer and the file system in an ordinary Linux program, under sanitizers, with a
 * module that wasm2c translated: what a test program sees without a virtual machine.
 */
#pragma once

/* Brings the kernel's view of the memory up to date; the module may have grown it. */
void hosted_enter(void);
