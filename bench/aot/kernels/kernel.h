/*
 * What every kernel of make bench-aot offers: one function that computes for a fraction of a
 * second and returns a checksum. No library, no I/O: the same file is compiled natively and
 * to WebAssembly, and all results must agree.
 */
#pragma once

#include <stdint.h>

#ifdef __wasm__
#define KERNEL_ENTRY __attribute__((export_name("run")))
#else
#define KERNEL_ENTRY
#endif

KERNEL_ENTRY double run(void);

/* A generator for inputs (PCG, O'Neill 2014). */
static inline uint32_t next_random(uint64_t *state)
{
    uint64_t old = *state;
    *state = old * 6364136223846793005ull + 1442695040888963407ull;
    uint32_t mixed = (uint32_t)(((old >> 18) ^ old) >> 27);
    uint32_t turn = (uint32_t)(old >> 59);
    return mixed >> turn | mixed << (-turn & 31);
}
