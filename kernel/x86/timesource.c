#include "kernel/x86/timesource.h"

#include "kernel/base/address.h"
#include "kernel/base/string.h"
#include "kernel/x86/cpu.h"
#include "kernel/x86/io.h"
#include "kernel/x86/layout.h"
#include "kernel/x86/paging.h"
#include "kernel/x86/x86.h"

#define NS_PER_S 1000000000ull

static struct {
    uint64_t base; /* TSC at time 0 */
    uint64_t hz;
    uint64_t ns_per_tick; /* 32.32 fixed point */
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

/* Intel 8254: channel 2, gated by bit 0 of port 0x61. */
#define PIT_HZ            1193182u
#define PIT_CHANNEL2      0x42u
#define PIT_COMMAND       0x43u
#define PIT_GATE          0x61u
#define PIT_LOAD_COMMAND  0xb0u /* channel 2, low then high byte, mode 0, binary */
#define PIT_LATCH_COMMAND 0x80u
#define PIT_START         0xffffu
#define PIT_WINDOW        3579u /* 3 ms: a reading that is 1 us off costs 0.03 % */
#define PIT_READINGS      8u
#define PIT_SPIN_MAX      1000000u

struct pit_reading {
    uint64_t ticks; /* of the TSC, when the count was latched */
    uint32_t count;
};

/*
 * The host may stop us anywhere: of some readings the one that took the shortest time
 * ties the two clocks together best.
 */
static struct pit_reading read_pit(void)
{
    struct pit_reading best = {0, 0};
    uint64_t best_length = UINT64_MAX;
    for (unsigned i = 0; i < PIT_READINGS; i++) {
        uint64_t before = x86_rdtsc();
        io_write8(PIT_COMMAND, PIT_LATCH_COMMAND);
        uint64_t length = x86_rdtsc() - before;
        uint32_t count = io_read8(PIT_CHANNEL2);
        count |= (uint32_t)io_read8(PIT_CHANNEL2) << 8;
        if (length < best_length) {
            best_length = length;
            best = (struct pit_reading){before + length / 2, count};
        }
    }
    return best;
}

static uint64_t hz_from_pit(void)
{
    io_write8(PIT_GATE, (uint8_t)((io_read8(PIT_GATE) & ~3u) | 1u));
    io_write8(PIT_COMMAND, PIT_LOAD_COMMAND);
    io_write8(PIT_CHANNEL2, (uint8_t)PIT_START);
    io_write8(PIT_CHANNEL2, (uint8_t)(PIT_START >> 8));
    struct pit_reading first = read_pit();
    struct pit_reading last = first;
    for (uint32_t spins = 0; first.count - last.count < PIT_WINDOW; spins++) {
        last = read_pit();
        /* A missing 8254 always reads the same; a stop of 55 ms lets the count wrap. */
        if (spins == PIT_SPIN_MAX || last.count > first.count) {
            return 0;
        }
    }
    return (last.ticks - first.ticks) * PIT_HZ / (first.count - last.count);
}

static uint64_t hz_from_pit_tries(void)
{
    uint64_t hz = 0;
    for (unsigned i = 0; i < 3 && hz == 0; i++) {
        hz = hz_from_pit();
    }
    return hz;
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
        tsc.hz = hz_from_pit_tries();
    }
    if (tsc.hz < 1000000) {
        return NULL;
    }
    tsc.ns_per_tick = (NS_PER_S << 32) / tsc.hz;
    return source;
}

uint64_t timesource_hz(void)
{
    return tsc.hz;
}

uint64_t timesource_ns(void)
{
    return (uint64_t)((unsigned __int128)(x86_rdtsc() - tsc.base) * tsc.ns_per_tick >> 32);
}

uint64_t timesource_tsc_at(uint64_t ns)
{
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

/* Motorola MC146818A: seconds, minutes, hours, day, month, year; status A and B. */
#define RTC_INDEX          0x70u
#define RTC_DATA           0x71u
#define RTC_STATUS_A       0x0au
#define RTC_STATUS_B       0x0bu
#define RTC_A_UPDATING_BIT 0x80u
#define RTC_B_BINARY_BIT   0x04u
#define RTC_B_24_HOURS_BIT 0x02u
#define RTC_HOUR_PM_BIT    0x80u
#define RTC_SPIN_MAX       100000u
#define RTC_FIELDS         6u

static uint8_t rtc_read(uint8_t index)
{
    io_write8(RTC_INDEX, index);
    return io_read8(RTC_DATA);
}

static bool rtc_read_fields(uint8_t fields[RTC_FIELDS])
{
    static const uint8_t indices[RTC_FIELDS] = {0, 2, 4, 7, 8, 9};
    uint32_t spins = 0;
    while ((rtc_read(RTC_STATUS_A) & RTC_A_UPDATING_BIT) != 0) {
        if (++spins == RTC_SPIN_MAX) {
            return false;
        }
    }
    for (unsigned i = 0; i < RTC_FIELDS; i++) {
        fields[i] = rtc_read(indices[i]);
    }
    return true;
}

static uint32_t from_bcd(uint32_t value)
{
    return (value >> 4) * 10 + (value & 15);
}

/* Days from 1970-01-01 for the proleptic Gregorian calendar, years from 1970 on. */
static uint64_t days_from_civil(uint32_t year, uint32_t month, uint32_t day)
{
    static const uint16_t before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    uint32_t leap_years = (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400 - 477;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return (uint64_t)(year - 1970) * 365 + leap_years + before[month - 1] +
           (leap && month > 2 ? 1 : 0) + day - 1;
}

static bool wall_from_rtc(uint64_t *out)
{
    uint8_t raw[RTC_FIELDS], again[RTC_FIELDS];
    if (!rtc_read_fields(raw) || !rtc_read_fields(again)) {
        return false;
    }
    if (memcmp(raw, again, sizeof(raw)) != 0 && !rtc_read_fields(raw)) {
        return false;
    }
    uint8_t status = rtc_read(RTC_STATUS_B);
    uint32_t field[RTC_FIELDS];
    bool afternoon = (status & RTC_B_24_HOURS_BIT) == 0 && (raw[2] & RTC_HOUR_PM_BIT) != 0;
    raw[2] = (status & RTC_B_24_HOURS_BIT) == 0 ? raw[2] & 0x7f : raw[2];
    for (unsigned i = 0; i < RTC_FIELDS; i++) {
        field[i] = (status & RTC_B_BINARY_BIT) != 0 ? raw[i] : from_bcd(raw[i]);
    }
    if ((status & RTC_B_24_HOURS_BIT) == 0) {
        field[2] = field[2] % 12 + (afternoon ? 12 : 0);
    }
    if (field[0] > 60 || field[1] > 59 || field[2] > 23 || field[3] < 1 || field[3] > 31 ||
        field[4] < 1 || field[4] > 12 || field[5] > 99) {
        return false;
    }
    /* The century byte is not at a fixed place; this code is younger than 2000. */
    uint64_t days = days_from_civil(2000 + field[5], field[4], field[3]);
    *out = (days * 86400 + field[2] * 3600 + field[1] * 60 + field[0]) * NS_PER_S;
    return true;
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
    return wall_from_kvm(out) || wall_from_rtc(out);
}
