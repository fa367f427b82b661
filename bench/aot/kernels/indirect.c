/* Calls through a table that depends on data: a tree of operations, evaluated often. */
#include "kernel.h"

typedef uint32_t operation(uint32_t a, uint32_t b);
static uint32_t op_add(uint32_t a, uint32_t b)
{
    return a + b;
}
static uint32_t op_xor(uint32_t a, uint32_t b)
{
    return a ^ b;
}
static uint32_t op_mul(uint32_t a, uint32_t b)
{
    return a * b + 1;
}
static uint32_t op_rot(uint32_t a, uint32_t b)
{
    return a << 7 | b >> 25;
}
static uint32_t op_sub(uint32_t a, uint32_t b)
{
    return a - b;
}
static uint32_t op_min(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

enum { N = 4096, ROUNDS = 20000 };
static operation *operations[N];

double run(void)
{
    static operation *const choices[] = {op_add, op_xor, op_mul, op_rot, op_sub, op_min};
    uint64_t state = 23;
    for (int i = 0; i < N; i++) {
        operations[i] = choices[next_random(&state) % 6];
    }
    uint32_t a = 1, b = 2;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < N; i++) {
            uint32_t c = operations[i](a, b);
            a = b;
            b = c + (uint32_t)round;
        }
    }
    return b;
}
