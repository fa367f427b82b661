/* Traps in the way its first argument names. */
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static volatile int zero;
static volatile int minimum = INT_MIN;
static volatile double huge = 1e300;

/* Without a frame in linear memory: the machine's stack ends, not the shadow stack. */
__attribute__((noinline)) static int recurse(int depth)
{
    int deeper = zero ? 0 : recurse(depth + 1);
    return deeper + zero;
}

static int takes_int(int value)
{
    return value;
}

__attribute__((noinline)) static int fail(const char *how)
{
    if (strcmp(how, "unreachable") == 0) {
        __builtin_trap();
    } else if (strcmp(how, "divide") == 0) {
        return minimum / zero;
    } else if (strcmp(how, "overflow") == 0) {
        return minimum / (zero - 1);
    } else if (strcmp(how, "convert") == 0) {
        return __builtin_wasm_trunc_s_i32_f64(huge);
    } else if (strcmp(how, "load") == 0) {
        return *(volatile int *)(uintptr_t)0xfffffff0u;
    } else if (strcmp(how, "store") == 0) {
        *(volatile int *)(uintptr_t)0x40000000u = 1;
    } else if (strcmp(how, "recursion") == 0) {
        return recurse(0);
    } else if (strcmp(how, "type") == 0) {
        int (*volatile function)(int) = takes_int;
        return ((int (*)(int, int))(uintptr_t)function)(1, 2);
    } else if (strcmp(how, "null") == 0) {
        int (*volatile function)(int) = NULL;
        return function(1);
    }
    return 0;
}

int main(int argc, char **argv)
{
    printf("before\n");
    fflush(stdout);
    int result = fail(argc > 1 ? argv[1] : "");
    printf("after %d\n", result);
    return 0;
}
