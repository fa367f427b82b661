/*
 * What clang's lowering of setjmp and longjmp to exceptions calls (-mllvm -wasm-enable-sjlj): each
 * call of setjmp stores which one it was and of which invocation; longjmp throws, and every
 * function that called setjmp catches and asks whether it is meant.
 */
#include <setjmp.h>
#include <stdint.h>

#define C_LONGJMP_TAG 1

void __wasm_setjmp(void *buffer, uint32_t label, void *invocation);
uint32_t __wasm_setjmp_test(void *buffer, void *invocation);
void __wasm_longjmp(void *buffer, int value);

void __wasm_setjmp(void *buffer, uint32_t label, void *invocation)
{
    jmp_buf *env = buffer;

    (*env)->invocation = invocation;
    (*env)->label = label;
}

uint32_t __wasm_setjmp_test(void *buffer, void *invocation)
{
    jmp_buf *env = buffer;

    return (*env)->invocation == invocation ? (*env)->label : 0;
}

void __wasm_longjmp(void *buffer, int value)
{
    jmp_buf *env = buffer;

    (*env)->thrown.env = buffer;
    (*env)->thrown.value = value == 0 ? 1 : value;
    __builtin_wasm_throw(C_LONGJMP_TAG, &(*env)->thrown);
}
