/* setjmp for WASI: Debian's wasi-libc has none. The code is in setjmp.c; clang does the rest. */
#pragma once

typedef struct {
    const void *invocation;
    unsigned label;
    struct {
        void *env;
        int value;
    } thrown;
} jmp_buf[1];

int setjmp(jmp_buf env) __attribute__((returns_twice));
_Noreturn void longjmp(jmp_buf env, int value);
