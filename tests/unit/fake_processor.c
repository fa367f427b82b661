#include "tests/unit/fake_processor.h"

#include <string.h>

#include "kernel/x86/cpu.h"
#include "kernel/x86/paging.h"
#include "kernel/x86/pit.h"
#include "kernel/x86/rtc.h"
#include "kernel/x86/x86.h"

#define NS_PER_S     1000000000ull
#define MSR_DEADLINE 0x6e0u
#define MSR_WALL     0x4b564d00u
#define MSR_SYSTEM   0x4b564d01u
#define LVT_TIMER    0x320u
#define COUNT        0x380u
#define COUNT_NOW    0x390u
#define DIVIDER      16u

struct fake_processor processor;
struct cpu_info cpu_info;

/* struct pvclock_vcpu_time_info, Linux Documentation/virt/kvm/x86/msr.rst. */
struct system_time {
    uint32_t version, padding;
    uint64_t tsc_timestamp, system_time;
    uint32_t multiplier;
    int8_t shift;
    uint8_t flags, padding2[2];
};

void processor_reset(void)
{
    cpu_info = (struct cpu_info){0};
    processor = (struct fake_processor){
        .read_ns = 20,
        .tsc_hz = 2445439831,
        .tsc_start = 123456789012,
        .pit_hz = 2445439831,
        .refined_hz = 2445439831,
        .has_rtc = true,
        .rtc_ns = 1700000000ull * NS_PER_S,
        .timer_hz = NS_PER_S,
    };
}

static uint64_t ticks(uint64_t ns, uint64_t hz)
{
    return (uint64_t)((unsigned __int128)ns * hz / NS_PER_S);
}

static uint64_t tsc_at(uint64_t ns)
{
    return processor.tsc_start + ticks(ns, processor.tsc_hz);
}

struct cpuid_result x86_cpuid(uint32_t leaf, uint32_t subleaf)
{
    (void)subleaf;
    switch (leaf) {
    case 0:
        return (struct cpuid_result){.eax = processor.leaf15[0] != 0 ? 0x16 : 0x0d};
    case 1:
        return (struct cpuid_result){.edx = 1u << 9};
    case 0x15:
        return (struct cpuid_result){processor.leaf15[0], processor.leaf15[1], processor.leaf15[2],
                                     0};
    case 0x40000001:
        return (struct cpuid_result){.eax = processor.kvm_clock ? 1u << 3 : 0};
    case 0x40000010:
        return (struct cpuid_result){.eax = processor.hypervisor_khz};
    default:
        return (struct cpuid_result){0};
    }
}

uint64_t x86_rdtsc(void)
{
    processor.now_ns += processor.read_ns;
    return tsc_at(processor.now_ns);
}

uint64_t x86_read_msr(uint32_t index)
{
    (void)index;
    return 0xfee00000;
}

static void write_system_time(uint64_t value)
{
    struct system_time *area =
        (struct system_time *)(uintptr_t)((value & ~1ull) + KERNEL_IMAGE_BASE);

    if ((value & 1) != 0) {
        *area = (struct system_time){
            .tsc_timestamp = tsc_at(processor.now_ns),
            .system_time = processor.now_ns,
            .multiplier = processor.kvm_multiplier,
            .shift = processor.kvm_shift,
        };
    }
}

void x86_write_msr(uint32_t index, uint64_t value)
{
    uint32_t *wall = (uint32_t *)(uintptr_t)(value + KERNEL_IMAGE_BASE);

    switch (index) {
    case MSR_DEADLINE:
        processor.deadline = value;
        processor.timer_writes++;
        break;
    case MSR_SYSTEM:
        write_system_time(value);
        break;
    case MSR_WALL:
        wall[0] = 2;
        wall[1] = processor.wall_s;
        wall[2] = processor.wall_ns;
        break;
    default:
        break;
    }
}

void x86_pause(void)
{
}

uint64_t pit_measure_hz(void)
{
    processor.now_ns += 1000000;
    return processor.pit_hz;
}

uint64_t pit_refine_hz(uint64_t hz)
{
    return processor.refined_hz != 0 ? processor.refined_hz : hz;
}

bool rtc_read_ns(uint64_t *out)
{
    *out = processor.rtc_ns;
    return processor.has_rtc;
}

enum err mmio_map(struct phys_addr address, uint64_t size_bytes, struct mmio *out)
{
    (void)size_bytes;
    out->base = NULL;
    return address.value == 0xfee00000 ? ERR_OK : ERR_NODEV;
}

static uint64_t count_passed(void)
{
    return ticks(processor.now_ns - processor.count_ns, processor.timer_hz) / DIVIDER;
}

uint32_t mmio_read32(struct mmio window, uint64_t offset)
{
    (void)window;
    processor.now_ns += processor.read_ns;
    if (offset != COUNT_NOW || count_passed() >= processor.count) {
        return 0;
    }
    return processor.count - (uint32_t)count_passed();
}

void mmio_write32(struct mmio window, uint64_t offset, uint32_t value)
{
    (void)window;
    if (offset == LVT_TIMER) {
        processor.lvt_timer = value;
    } else if (offset == COUNT) {
        processor.count = value;
        processor.count_ns = processor.now_ns;
        processor.timer_writes++;
    }
}

uint64_t processor_timer_ns(void)
{
    if (cpu_has(CPU_HAS_TSC_DEADLINE_BIT)) {
        uint64_t left = processor.deadline - tsc_at(processor.now_ns);

        if (processor.deadline == 0) {
            return UINT64_MAX;
        }
        return (int64_t)left <= 0
                   ? processor.now_ns
                   : processor.now_ns +
                         (uint64_t)((unsigned __int128)left * NS_PER_S / processor.tsc_hz) + 1;
    }
    return processor.count == 0 ? UINT64_MAX
                                : processor.count_ns +
                                      (uint64_t)((unsigned __int128)processor.count * DIVIDER *
                                                 NS_PER_S / processor.timer_hz) +
                                      1;
}
