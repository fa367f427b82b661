/*
 * The processor's features: found once at boot, then constant. cpu_initialize runs
 * before everything else, on the boot page tables, while text is still writable.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cpu_feature {
    CPU_HAS_NX_BIT = 1u << 0,
    CPU_HAS_SMEP_BIT = 1u << 1,
    CPU_HAS_SMAP_BIT = 1u << 2,
    CPU_HAS_UMIP_BIT = 1u << 3,
    CPU_HAS_GIB_PAGES_BIT = 1u << 4,
    CPU_HAS_X2APIC_BIT = 1u << 5,
    CPU_HAS_TSC_DEADLINE_BIT = 1u << 6,
    CPU_HAS_INVARIANT_TSC_BIT = 1u << 7,
    CPU_HAS_RDRAND_BIT = 1u << 8,
    CPU_HAS_RDSEED_BIT = 1u << 9,
    CPU_HAS_XSAVE_BIT = 1u << 10,
    CPU_HAS_HYPERVISOR_BIT = 1u << 11,
    CPU_HAS_PAT_BIT = 1u << 12,
};

struct cpu_info {
    uint32_t features; /* enum cpu_feature */
    uint32_t level;    /* x86-64 micro-architecture level: 1..4 */
    uint8_t physical_address_bits;
    uint32_t hypervisor_last_leaf; /* 0 without a hypervisor */
    char hypervisor[13];           /* "KVMKVMKVM", "TCGTCGTCGTCG", ... or "" */
    char missing[64];              /* features short of the next level, for messages */
};

extern struct cpu_info cpu_info;

static inline bool cpu_has(enum cpu_feature feature)
{
    return (cpu_info.features & (uint32_t)feature) != 0;
}

/*
 * Reads CPUID, switches on UMIP and the vector state that the CPU has, and
 * turns the SMAP sites into stac and clac.
 */
void cpu_initialize(void);
/* Switches SMEP and SMAP on; once no supervisor code needs the low half any more. */
void cpu_protect(void);
/* memory.S may copy with vector registers: x86-64-v3, and no interrupt is being served. */
extern bool memory_vectors;
