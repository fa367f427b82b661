/*
 * Single instructions of the processor, as functions. Everything that reaches
 * outside the privileged state of this CPU lives in its own module. Any context.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define RFLAGS_INTERRUPT_BIT (1ull << 9)
#define RFLAGS_AC_BIT        (1ull << 18)

struct cpuid_result {
    uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid_result x86_cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_result r;
    __asm__ volatile("cpuid"
                     : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
                     : "a"(leaf), "c"(subleaf));
    return r;
}

/* Ordered after earlier loads, so that a clock never runs ahead of what was read. */
static inline uint64_t x86_rdtsc(void)
{
    uint32_t low, high;
    __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

static inline uint64_t x86_read_msr(uint32_t index)
{
    uint32_t low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index) : "memory");
    return (uint64_t)high << 32 | low;
}
static inline void x86_write_msr(uint32_t index, uint64_t value)
{
    __asm__ volatile("wrmsr"
                     :
                     : "c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory");
}

static inline uint64_t x86_read_cr0(void)
{
    uint64_t value;
    __asm__ volatile("mov %%cr0, %0" : "=r"(value));
    return value;
}
static inline void x86_write_cr0(uint64_t value)
{
    __asm__ volatile("mov %0, %%cr0" : : "r"(value) : "memory");
}
static inline uint64_t x86_read_cr2(void)
{
    uint64_t value;
    __asm__ volatile("mov %%cr2, %0" : "=r"(value));
    return value;
}
static inline uint64_t x86_read_cr3(void)
{
    uint64_t value;
    __asm__ volatile("mov %%cr3, %0" : "=r"(value));
    return value;
}
static inline void x86_write_cr3(uint64_t value)
{
    __asm__ volatile("mov %0, %%cr3" : : "r"(value) : "memory");
}
static inline uint64_t x86_read_cr4(void)
{
    uint64_t value;
    __asm__ volatile("mov %%cr4, %0" : "=r"(value));
    return value;
}
static inline void x86_write_cr4(uint64_t value)
{
    __asm__ volatile("mov %0, %%cr4" : : "r"(value) : "memory");
}
static inline void x86_write_xcr0(uint64_t value)
{
    __asm__ volatile("xsetbv"
                     :
                     : "c"(0), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory");
}
/* SDM 1 §8.1.5, §10.2.3: all exceptions masked, round to nearest, as the Wasm numerics need. */
static inline void x86_reset_vector_state(void)
{
    uint32_t mxcsr = 0x1f80;
    __asm__ volatile("fninit; ldmxcsr %0" : : "m"(mxcsr));
}
static inline void x86_load_gdt(const void *pointer)
{
    __asm__ volatile("lgdt (%0)" : : "r"(pointer) : "memory");
}
static inline void x86_load_idt(const void *pointer)
{
    __asm__ volatile("lidt (%0)" : : "r"(pointer) : "memory");
}
static inline void x86_load_task_register(uint16_t selector)
{
    __asm__ volatile("ltr %0" : : "r"(selector) : "memory");
}
static inline void x86_invlpg(uint64_t address)
{
    __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}

static inline void x86_interrupts_disable(void)
{
    __asm__ volatile("cli" : : : "memory");
}
static inline void x86_interrupts_enable(void)
{
    __asm__ volatile("sti" : : : "memory");
}
/* SDM 2B STI: no interrupt is taken between the two, so none can be missed. */
static inline void x86_enable_and_halt(void)
{
    __asm__ volatile("sti; hlt" : : : "memory");
}
static inline void x86_halt(void)
{
    __asm__ volatile("hlt" : : : "memory");
}
static inline void x86_memory_fence(void)
{
    __asm__ volatile("mfence" : : : "memory");
}
static inline void x86_pause(void)
{
    __asm__ volatile("pause" : : : "memory");
}
/* Saves the interrupt flag and disables interrupts; x86_interrupts_restore undoes. */
static inline bool x86_interrupts_save(void)
{
    uint64_t flags;
    __asm__ volatile("pushfq; popq %0; cli" : "=r"(flags) : : "memory");
    return (flags & RFLAGS_INTERRUPT_BIT) != 0;
}
static inline void x86_interrupts_restore(bool enabled)
{
    if (enabled) {
        x86_interrupts_enable();
    }
}

/* False when the hardware had no number ready or has no such instruction. */
bool x86_rdrand(uint64_t *out);
bool x86_rdseed(uint64_t *out);

/*
 * The SMAP window (SDM 3A §4.6.1): between these two the kernel may touch guest
 * memory. Only wasi/guest_memory.c uses them. They are three-byte no-ops that
 * cpu_patch_smap turns into stac and clac at boot on a CPU that has SMAP, so hosted
 * builds and older CPUs run them unchanged.
 */
#define X86_SMAP_SITE(opcode_last)                                                                 \
    "661: .byte 0x0f, 0x1f, 0x00\n"                                                                \
    ".pushsection .smap_sites, \"a\"\n"                                                            \
    ".long 661b - .\n"                                                                             \
    ".long " opcode_last "\n"                                                                      \
    ".popsection\n"

static inline void x86_guest_access_begin(void)
{
    __asm__ volatile(X86_SMAP_SITE("0xcb") : : : "memory", "cc");
}
static inline void x86_guest_access_end(void)
{
    __asm__ volatile(X86_SMAP_SITE("0xca") : : : "memory", "cc");
}
