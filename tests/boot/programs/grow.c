/* Grows memory until the machine says no, writes to all of it, and reports. */
#include <stdio.h>

int main(void)
{
    size_t before = __builtin_wasm_memory_size(0);
    size_t pages = 0;
    /* A gigabyte at once is more than the test's machine has. */
    if (__builtin_wasm_memory_grow(0, 16384) != (size_t)-1) {
        printf("a gigabyte of memory in a small machine?\n");
        return 1;
    }
    while (__builtin_wasm_memory_grow(0, 16) != (size_t)-1) {
        pages += 16;
    }
    volatile unsigned char *memory = (volatile unsigned char *)(before << 16);
    for (size_t i = 0; i < pages << 16; i += 4096) {
        if (memory[i]) {
            printf("new memory is not zero\n");
            return 1;
        }
        memory[i] = (unsigned char)(i >> 12);
    }
    for (size_t i = 0; i < pages << 16; i += 4096) {
        if (memory[i] != (unsigned char)(i >> 12)) {
            printf("memory lost a byte\n");
            return 1;
        }
    }
    printf("grew: %s\n", pages > 256 ? "yes" : "no");
    printf("then: -1\n");
    return 0;
}
