#include "kernel/x86/cpu.h"

#include "kernel/base/string.h"
#include "kernel/x86/layout.h"
#include "kernel/x86/x86.h"

struct cpu_info cpu_info;

/* Control register bits: SDM 3A §2.5. */
#define CR4_OSFXSR_BIT     (1u << 9)
#define CR4_OSXMMEXCPT_BIT (1u << 10)
#define CR4_UMIP_BIT       (1u << 11)
#define CR4_OSXSAVE_BIT    (1u << 18)
#define CR4_SMEP_BIT       (1u << 20)
#define CR4_SMAP_BIT       (1u << 21)
#define XCR0_AVX_MASK      0x07ull /* x87, SSE, AVX */
#define XCR0_AVX512_MASK   0xe0ull /* opmask, upper halves, upper registers */

enum cpuid_register { EAX, EBX, ECX, EDX };

/* A feature bit and what the micro-architecture levels of the x86-64 psABI need. */
struct cpuid_bit {
    uint32_t leaf;
    uint8_t reg; /* enum cpuid_register */
    uint8_t bit;
    uint8_t level; /* part of this level, or 0 */
    uint32_t feature;
    const char *name;
};

static const struct cpuid_bit cpuid_bits[] = {
    {1, ECX, 0, 2, 0, "sse3"},
    {1, ECX, 9, 2, 0, "ssse3"},
    {1, ECX, 13, 2, 0, "cmpxchg16b"},
    {1, ECX, 19, 2, 0, "sse4.1"},
    {1, ECX, 20, 2, 0, "sse4.2"},
    {1, ECX, 23, 2, 0, "popcnt"},
    {0x80000001, ECX, 0, 2, 0, "lahf"},
    {1, ECX, 28, 3, 0, "avx"},
    {1, ECX, 12, 3, 0, "fma"},
    {1, ECX, 22, 3, 0, "movbe"},
    {1, ECX, 29, 3, 0, "f16c"},
    {7, EBX, 3, 3, 0, "bmi1"},
    {7, EBX, 5, 3, 0, "avx2"},
    {7, EBX, 8, 3, 0, "bmi2"},
    {0x80000001, ECX, 5, 3, 0, "lzcnt"},
    {7, EBX, 16, 4, 0, "avx512f"},
    {7, EBX, 17, 4, 0, "avx512dq"},
    {7, EBX, 28, 4, 0, "avx512cd"},
    {7, EBX, 30, 4, 0, "avx512bw"},
    {7, EBX, 31, 4, 0, "avx512vl"},
    {0x80000001, EDX, 20, 0, CPU_HAS_NX_BIT, "nx"},
    {0x80000001, EDX, 26, 0, CPU_HAS_GIB_PAGES_BIT, "pdpe1gb"},
    {7, EBX, 7, 0, CPU_HAS_SMEP_BIT, "smep"},
    {7, EBX, 20, 0, CPU_HAS_SMAP_BIT, "smap"},
    {7, ECX, 2, 0, CPU_HAS_UMIP_BIT, "umip"},
    {1, ECX, 21, 0, CPU_HAS_X2APIC_BIT, "x2apic"},
    {1, ECX, 24, 0, CPU_HAS_TSC_DEADLINE_BIT, "tsc-deadline"},
    {0x80000007, EDX, 8, 0, CPU_HAS_INVARIANT_TSC_BIT, "invtsc"},
    {1, ECX, 30, 0, CPU_HAS_RDRAND_BIT, "rdrand"},
    {7, EBX, 18, 0, CPU_HAS_RDSEED_BIT, "rdseed"},
    {1, ECX, 26, 0, CPU_HAS_XSAVE_BIT, "xsave"},
    {1, ECX, 31, 0, CPU_HAS_HYPERVISOR_BIT, "hypervisor"},
    {1, EDX, 16, 0, CPU_HAS_PAT_BIT, "pat"},
};

static uint32_t cpuid_word(uint32_t leaf, enum cpuid_register reg)
{
    if (x86_cpuid(leaf & 0x80000000u, 0).eax < leaf) {
        return 0;
    }
    struct cpuid_result r = x86_cpuid(leaf, 0);
    const uint32_t words[] = {r.eax, r.ebx, r.ecx, r.edx};
    return words[reg];
}

static void append_missing(const char *name)
{
    size_t used = strlen(cpu_info.missing);
    size_t length = strlen(name);
    if (used + length + 2 > sizeof(cpu_info.missing)) {
        return;
    }
    if (used != 0) {
        cpu_info.missing[used++] = ' ';
    }
    memcpy(cpu_info.missing + used, name, length + 1);
}

static void read_features(void)
{
    uint32_t lacking = 5; /* the lowest level that misses something */
    for (size_t i = 0; i < sizeof(cpuid_bits) / sizeof(cpuid_bits[0]); i++) {
        const struct cpuid_bit *bit = &cpuid_bits[i];
        bool present = (cpuid_word(bit->leaf, bit->reg) >> bit->bit & 1) != 0;
        if (present) {
            cpu_info.features |= bit->feature;
        } else if (bit->level != 0 && bit->level < lacking) {
            lacking = bit->level;
        }
        if (!present && bit->level != 0 && bit->level == lacking) {
            append_missing(bit->name);
        }
    }
    cpu_info.level = lacking - 1;
    uint32_t bits = cpuid_word(0x80000008, EAX) & 0xff;
    cpu_info.physical_address_bits = (uint8_t)(bits >= 32 && bits <= 52 ? bits : 36);
    if (cpu_has(CPU_HAS_HYPERVISOR_BIT)) {
        struct cpuid_result r = x86_cpuid(0x40000000, 0);
        memcpy(cpu_info.hypervisor, &r.ebx, 4);
        memcpy(cpu_info.hypervisor + 4, &r.ecx, 4);
        memcpy(cpu_info.hypervisor + 8, &r.edx, 4);
        cpu_info.hypervisor_last_leaf = r.eax;
    }
}

/* Each site is the distance to its three bytes and the last byte of stac or clac. */
struct smap_site {
    int32_t distance;
    uint32_t opcode_last;
};
/* linker/kernel.ld */
extern const struct smap_site smap_sites_start[], smap_sites_end[];

static void patch_smap_sites(void)
{
    /* cppcheck-suppress comparePointers ; symbols of the linker script, one object */
    for (const struct smap_site *site = smap_sites_start; site < smap_sites_end; site++) {
        uint8_t *code =
            (uint8_t *)((uintptr_t)&site->distance + (uintptr_t)(intptr_t)site->distance);
        code[0] = 0x0f;
        code[1] = 0x01;
        code[2] = (uint8_t)site->opcode_last;
    }
    /* SDM 3A §9.1.3: a serialising instruction between writing code and running it. */
    (void)x86_cpuid(0, 0);
}

void cpu_initialize(void)
{
    read_features();
    uint64_t cr4 = x86_read_cr4() | CR4_OSFXSR_BIT | CR4_OSXMMEXCPT_BIT;
    cr4 |= cpu_has(CPU_HAS_UMIP_BIT) ? CR4_UMIP_BIT : 0;
    cr4 |= cpu_has(CPU_HAS_XSAVE_BIT) ? CR4_OSXSAVE_BIT : 0;
    x86_write_cr4(cr4);
    if (cpu_has(CPU_HAS_XSAVE_BIT)) {
        uint64_t supported = x86_cpuid(0xd, 0).eax;
        uint64_t enabled = supported & XCR0_AVX_MASK;
        if ((supported & XCR0_AVX512_MASK) == XCR0_AVX512_MASK) {
            enabled |= XCR0_AVX512_MASK;
        }
        x86_write_xcr0(enabled);
        uint32_t usable = (enabled & XCR0_AVX_MASK) != XCR0_AVX_MASK ? 2
                          : (enabled & XCR0_AVX512_MASK) == 0        ? 3
                                                                     : 4;
        cpu_info.level = cpu_info.level < usable ? cpu_info.level : usable;
    } else if (cpu_info.level > 2) {
        cpu_info.level = 2;
    }
    x86_reset_vector_state();
    memory_vectors = cpu_info.level >= 3;
    if (cpu_has(CPU_HAS_SMAP_BIT)) {
        patch_smap_sites();
    }
}

void cpu_protect(void)
{
    uint64_t cr4 = x86_read_cr4();
    cr4 |= cpu_has(CPU_HAS_SMEP_BIT) ? CR4_SMEP_BIT : 0;
    cr4 |= cpu_has(CPU_HAS_SMAP_BIT) ? CR4_SMAP_BIT : 0;
    x86_write_cr4(cr4);
}

bool x86_rdrand(uint64_t *out)
{
    if (!cpu_has(CPU_HAS_RDRAND_BIT)) {
        return false;
    }
    bool ok;
    __asm__ volatile("rdrand %0" : "=r"(*out), "=@ccc"(ok));
    return ok;
}

bool x86_rdseed(uint64_t *out)
{
    if (!cpu_has(CPU_HAS_RDSEED_BIT)) {
        return false;
    }
    bool ok;
    __asm__ volatile("rdseed %0" : "=r"(*out), "=@ccc"(ok));
    return ok;
}
