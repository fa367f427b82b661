/* Deep and wide calls: Fibonacci, Takeuchi, and counting queens. */
#include "kernel.h"

__attribute__((noinline)) static uint32_t fibonacci(uint32_t n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

__attribute__((noinline)) static int takeuchi(int x, int y, int z)
{
    return y >= x ? z
                  : takeuchi(takeuchi(x - 1, y, z), takeuchi(y - 1, z, x), takeuchi(z - 1, x, y));
}

__attribute__((noinline)) static uint32_t queens(uint32_t all, uint32_t columns, uint32_t left,
                                                 uint32_t right)
{
    if (columns == all) {
        return 1;
    }
    uint32_t count = 0;
    for (uint32_t free = all & ~(columns | left | right); free; free &= free - 1) {
        uint32_t bit = free & -free;
        count += queens(all, columns | bit, (left | bit) << 1, (right | bit) >> 1);
    }
    return count;
}

double run(void)
{
    return fibonacci(37) + takeuchi(24, 16, 8) + queens((1u << 12) - 1, 0, 0, 0);
}
