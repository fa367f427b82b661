/*
 * Stands in for kernel/x86/x86.h in host tests of clocks and timers (through -iquote): the
 * same functions, but the test plays the processor behind them (tests/unit/fake_processor.h).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct cpuid_result {
    uint32_t eax, ebx, ecx, edx;
};

struct cpuid_result x86_cpuid(uint32_t leaf, uint32_t subleaf);
uint64_t x86_rdtsc(void);
uint64_t x86_read_msr(uint32_t index);
void x86_write_msr(uint32_t index, uint64_t value);
void x86_pause(void);

static inline void x86_memory_fence(void)
{
}
static inline bool x86_interrupts_save(void)
{
    return true;
}
static inline void x86_interrupts_restore(bool enabled)
{
    (void)enabled;
}
