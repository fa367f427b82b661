#include "kernel/x86/timesource.h"

#include "kernel/base/address.h"
#include "kernel/base/string.h"
#include "kernel/x86/cpu.h"
#include "kernel/x86/layout.h"
#include "kernel/x86/paging.h"
#include "kernel/x86/pit.h"
#include "kernel/x86/rtc.h"
#include "kernel/x86/x86.h"

#define NS_PER_S 1000000000ull
/*
 * The frequency measured at boot is a little off; measured over a longer time it is not.
 * The 8254 wraps every 55 ms, so each time must be known that well from the one before.
 */
#define REFINE_FIRST_NS 500000000u
#define REFINE_LAST_NS  20000000000u

static struct {
    uint64_t base; /* TSC at base_ns */
    uint64_t base_ns;
    uint64_t hz;
    uint64_t ns_per_tick;  /* 32.32 fixed point */
    uint64_t refine_at_ns; /* 0: exact already */
} tsc;

/* Linux Documentation/virt/kvm/x86/msr.rst, cpuid.rst. */
#define KVM_CPUID_FEATURES        0x40000001u
#define KVM_FEATURE_CLOCK_NEW_BIT (1u << 3)
#define KVM_MSR_WALL_CLOCK        0x4b564d00u
#define KVM_MSR_SYSTEM_TIME       0x4b564d01u
#define KVM_SYSTEM_TIME_ON_BIT    1u

struct kvm_system_time {
    uint32_t version, padding;
    uint64_t tsc_timestamp, system_time;
    uint32_t tsc_to_system_mul;
    uint8_t tsc_shift, flags, padding2[2];
};
struct kvm_wall_clock {
    volatile uint32_t version;
    uint32_t seconds, nanoseconds;
};
_Static_assert(sizeof(struct kvm_system_time) == 32, "pvclock ABI");

/* The host writes here; neither may cross a page. */
static volatile struct kvm_system_time kvm_time __attribute__((aligned(64)));
static struct kvm_wall_clock kvm_wall __attribute__((aligned(64)));

static uint64_t ns_at(uint64_t ticks)
{
    return tsc.base_ns + (uint64_t)((unsigned __int128)(ticks - tsc.base) * tsc.ns_per_tick >> 32);
}

static uint64_t image_physical(const volatile void *pointer)
{
    return (uint64_t)(uintptr_t)pointer - KERNEL_IMAGE_BASE;
}

/* The shift is a signed byte; positive to the left. */
static int kvm_shift(void)
{
    int raw = kvm_time.tsc_shift;
    return raw < 128 ? raw : raw - 256;
}

static bool has_kvm_clock(void)
{
    return strcmp(cpu_info.hypervisor, "KVMKVMKVM") == 0 &&
           (x86_cpuid(KVM_CPUID_FEATURES, 0).eax & KVM_FEATURE_CLOCK_NEW_BIT) != 0;
}

static uint64_t hz_from_kvm(void)
{
    if (!has_kvm_clock()) {
        return 0;
    }
    x86_write_msr(KVM_MSR_SYSTEM_TIME, image_physical(&kvm_time) | KVM_SYSTEM_TIME_ON_BIT);
    uint32_t multiplier = kvm_time.tsc_to_system_mul;
    int shift = kvm_shift();
    x86_write_msr(KVM_MSR_SYSTEM_TIME, 0);
    if (multiplier == 0 || shift < -31 || shift > 31) {
        return 0;
    }
    /* ns = ((ticks << shift) * multiplier) >> 32 */
    uint64_t hz = (NS_PER_S << 32) / multiplier;
    return shift >= 0 ? hz >> shift : hz << -shift;
}

/* SDM 2A CPUID leaf 15H; hypervisor leaf 0x40000010 gives kHz (VMware, KVM, Firecracker). */
static uint64_t hz_from_cpuid(void)
{
    if (x86_cpuid(0, 0).eax >= 0x15) {
        struct cpuid_result r = x86_cpuid(0x15, 0);
        if (r.eax != 0 && r.ebx != 0 && r.ecx != 0) {
            return (uint64_t)r.ecx * r.ebx / r.eax;
        }
    }
    if (cpu_info.hypervisor_last_leaf >= 0x40000010u &&
        cpu_info.hypervisor_last_leaf < 0x40010000u) {
        return (uint64_t)x86_cpuid(0x40000010u, 0).eax * 1000u;
    }
    return 0;
}

const char *timesource_initialize(void)
{
    const char *source = "kvmclock";
    tsc.base = x86_rdtsc();
    tsc.hz = hz_from_kvm();
    if (tsc.hz == 0) {
        source = "cpuid";
        tsc.hz = hz_from_cpuid();
    }
    if (tsc.hz == 0) {
        source = "pit";
        tsc.refine_at_ns = REFINE_FIRST_NS;
        tsc.hz = pit_measure_hz();
    }
    if (tsc.hz < 1000000) {
        return NULL;
    }
    tsc.ns_per_tick = (NS_PER_S << 32) / tsc.hz;
    return source;
}

void timesource_refine(void)
{
    uint64_t now_ns = timesource_ns();
    if (tsc.refine_at_ns == 0 || now_ns < tsc.refine_at_ns) {
        return;
    }
    uint64_t hz = pit_refine_hz(tsc.hz);
    bool enabled = x86_interrupts_save();
    /* Time goes on from where it is: only its speed changes. */
    uint64_t now = x86_rdtsc();
    tsc.base_ns = ns_at(now);
    tsc.base = now;
    tsc.hz = hz;
    tsc.ns_per_tick = (NS_PER_S << 32) / hz;
    tsc.refine_at_ns = tsc.refine_at_ns == REFINE_FIRST_NS ? REFINE_LAST_NS : 0;
    x86_interrupts_restore(enabled);
}

uint64_t timesource_hz(void)
{
    return tsc.hz;
}

uint64_t timesource_ns(void)
{
    return ns_at(x86_rdtsc());
}

uint64_t timesource_tsc_at(uint64_t ns)
{
    ns = ns > tsc.base_ns ? ns - tsc.base_ns : 0;
    /* Whole seconds, then the rest: freestanding code has no 128-bit division. */
    uint64_t seconds = ns / NS_PER_S;
    uint64_t rest = ns % NS_PER_S;
    uint64_t whole;
    if (__builtin_mul_overflow(seconds, tsc.hz, &whole)) {
        return UINT64_MAX;
    }
    uint64_t part = rest * (tsc.hz / 1000u) / (NS_PER_S / 1000u);
    uint64_t at;
    return __builtin_add_overflow(tsc.base + part + 1, whole, &at) ? UINT64_MAX : at;
}

void timesource_spin_ns(uint64_t ns)
{
    uint64_t end = timesource_ns() + ns;
    while (timesource_ns() < end) {
        x86_pause();
    }
}

static bool wall_from_kvm(uint64_t *out)
{
    if (!has_kvm_clock()) {
        return false;
    }
    /* The wall clock at which system time was 0; add system time as of now. */
    x86_write_msr(KVM_MSR_WALL_CLOCK, image_physical(&kvm_wall));
    x86_write_msr(KVM_MSR_SYSTEM_TIME, image_physical(&kvm_time) | KVM_SYSTEM_TIME_ON_BIT);
    uint64_t ticks = x86_rdtsc() - kvm_time.tsc_timestamp;
    int shift = kvm_shift();
    ticks = shift >= 0 ? ticks << (shift & 31) : ticks >> (-shift & 31);
    uint64_t system = kvm_time.system_time +
                      (uint64_t)((unsigned __int128)ticks * kvm_time.tsc_to_system_mul >> 32);
    x86_write_msr(KVM_MSR_SYSTEM_TIME, 0);
    *out = (uint64_t)kvm_wall.seconds * NS_PER_S + kvm_wall.nanoseconds + system;
    return kvm_wall.seconds != 0;
}

bool timesource_wall_ns(uint64_t *out)
{
    return wall_from_kvm(out) || rtc_read_ns(out);
}
