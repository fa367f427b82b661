/* kernel/x86/timesource.c and kernel/clock.c: where the TSC's speed comes from, and conversions. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "kernel/clock.h"
#include "kernel/clock_boot.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/x86/cpu.h"
#include "kernel/x86/timesource.h"
#include "tests/unit/fake_processor.h"

#define NS_PER_S 1000000000ull
#define HZ       2445439831ull

void panic(const char *format, ...)
{
    (void)format;
    fail();
    abort();
}

void log_write(enum log_level level, const char *module, const char *format, ...)
{
    (void)level;
    (void)module;
    (void)format;
}

static void expect_source(const char *source, uint64_t hz)
{
    const char *got = timesource_initialize();

    assert_non_null(got);
    assert_string_equal(got, source);
    /* Good to a part in a hundred million: kvmclock's multiplier has 32 bits. */
    assert_in_range(timesource_hz(), hz - hz / 100000000 - 1, hz + hz / 100000000 + 1);
}

static int set_up(void **state)
{
    (void)state;
    processor_reset();
    return 0;
}

static void on_kvm(uint32_t multiplier, int8_t shift)
{
    strcpy(cpu_info.hypervisor, "KVMKVMKVM");
    processor.kvm_clock = true;
    processor.kvm_multiplier = multiplier;
    processor.kvm_shift = shift;
}

/* As KVM's kvm_get_time_scale makes them: ns = (ticks << shift) * multiplier >> 32. */
static void test_kvmclock(void **state)
{
    (void)state;
    on_kvm((uint32_t)((NS_PER_S << 32) / (HZ / 2)), -1);
    expect_source("kvmclock", HZ);
    on_kvm((uint32_t)((NS_PER_S << 32) / 1222719916), -2);
    expect_source("kvmclock", 4890879664);
    on_kvm((uint32_t)((NS_PER_S << 32) / 1200000000), 1);
    expect_source("kvmclock", 600000000);
    /* KVM without its clock, or with one that says nonsense: the next source. */
    on_kvm(0, 0);
    expect_source("pit", HZ);
    on_kvm(1u << 31, 32);
    expect_source("pit", HZ);
    on_kvm(1u << 31, -128);
    expect_source("pit", HZ);
    on_kvm(1u << 31, -1);
    processor.kvm_clock = false;
    expect_source("pit", HZ);
    /* Another hypervisor's leaf may mean anything. */
    processor.kvm_clock = true;
    strcpy(cpu_info.hypervisor, "TCGTCGTCGTCG");
    expect_source("pit", HZ);
}

static void test_cpuid(void **state)
{
    (void)state;
    memcpy(processor.leaf15, (uint32_t[]){2, 188, 24000000}, sizeof(processor.leaf15));
    expect_source("cpuid", 2256000000);
    memset(processor.leaf15, 0, sizeof(processor.leaf15));
    processor.hypervisor_khz = 2445439;
    expect_source("pit", HZ); /* there is no such leaf */
    cpu_info.hypervisor_last_leaf = 0x40000010;
    expect_source("cpuid", 2445439000);
    cpu_info.hypervisor_last_leaf = 0xffffffff;
    expect_source("pit", HZ);
    processor.pit_hz = 0;
    assert_null(timesource_initialize());
    processor.pit_hz = 999999;
    assert_null(timesource_initialize());
}

/* What a clock shows is true to a tick and two parts in a thousand million, for years. */
static void test_conversion(void **state)
{
    static const uint64_t speeds[] = {1000000, 599999999, 1000000000, HZ, 5999999999};

    (void)state;
    for (size_t i = 0; i < sizeof(speeds) / sizeof(speeds[0]); i++) {
        processor_reset();
        processor.tsc_hz = processor.pit_hz = speeds[i];
        expect_source("pit", speeds[i]);
        processor.read_ns = 0;
        uint64_t start = processor.now_ns, shown = timesource_ns(), last = shown;
        for (uint64_t after = 1; after < 100000000 * NS_PER_S; after = after * 3 + 7) {
            processor.now_ns = start + after;
            uint64_t now = timesource_ns();
            uint64_t slack = after / 500000000 + NS_PER_S / speeds[i] + 2;
            assert_true(now >= last);
            assert_in_range(now - shown, after > slack ? after - slack : 0, after + slack);
            last = now;
            /* The way back, for the timer, which may be a thousand ticks early. */
            uint64_t ticks = timesource_tsc_at(now + after) - processor.tsc_start;
            uint64_t at = (uint64_t)((unsigned __int128)ticks * NS_PER_S / speeds[i]);
            slack += 1000 * NS_PER_S / speeds[i] + after / 1000000000;
            assert_true(at + slack >= processor.now_ns + after);
            assert_true(at <= processor.now_ns + after + slack);
        }
    }
    assert_true(timesource_tsc_at(UINT64_MAX) > 1ull << 63 || timesource_hz() < NS_PER_S * 8);
    assert_true(timesource_tsc_at(0) > processor.tsc_start);
}

/* A speed that was measured 0.2 % too high is mended, and time neither jumps nor goes back. */
static void test_refinement(void **state)
{
    (void)state;
    processor.pit_hz = HZ + HZ / 500;
    expect_source("pit", HZ + HZ / 500);
    processor.read_ns = 0;
    for (unsigned second = 0; second < 40; second++) {
        uint64_t before = timesource_ns();
        timesource_refine();
        uint64_t after = timesource_ns();
        assert_in_range(after, before, before + 1);
        assert_int_equal(timesource_hz(), second == 0 ? HZ + HZ / 500 : HZ);
        processor.now_ns += NS_PER_S;
        assert_in_range(timesource_ns() - after, NS_PER_S - (second == 0 ? NS_PER_S / 400 : 2),
                        NS_PER_S + 2);
    }
    /* What a host told is exact. */
    on_kvm((uint32_t)((NS_PER_S << 32) / (HZ / 2)), -1);
    processor.refined_hz = 1;
    expect_source("kvmclock", HZ);
    processor.now_ns += 100 * NS_PER_S;
    timesource_refine();
    assert_true(timesource_hz() > 2000000000);
}

static void test_wall_clock(void **state)
{
    uint64_t wall;

    (void)state;
    expect_source("pit", HZ);
    assert_true(timesource_wall_ns(&wall));
    assert_int_equal(wall, processor.rtc_ns);
    processor.has_rtc = false;
    assert_false(timesource_wall_ns(&wall));
    /* KVM's is the time at which the machine started. */
    on_kvm((uint32_t)((NS_PER_S << 32) / (HZ / 2)), -1);
    processor.wall_s = 1800000000;
    processor.wall_ns = 999999999;
    processor.now_ns = 5 * NS_PER_S;
    assert_true(timesource_wall_ns(&wall));
    assert_in_range(wall, 1800000005 * NS_PER_S + 999999999, 1800000005 * NS_PER_S + 1000001999);
    processor.wall_s = 0;
    assert_false(timesource_wall_ns(&wall));
}

/* The CPU clock leaves out what was halted; a resolution is what a tick takes, rounded up. */
static void test_clocks(void **state)
{
    (void)state;
    clock_initialize();
    processor.read_ns = 0;
    uint64_t cpu = clock_cpu_ns(), real = clock_realtime_ns(), monotonic = clock_monotonic_ns();
    assert_in_range(real, processor.rtc_ns, processor.rtc_ns + NS_PER_S / 100);
    processor.now_ns += 7000;
    clock_add_halted_ns(5000);
    assert_in_range(clock_cpu_ns() - cpu, 1998, 2002);
    assert_in_range(clock_monotonic_ns() - monotonic, 6998, 7002);
    assert_in_range(clock_realtime_ns() - real, 6998, 7002);
    assert_int_equal(clock_resolution_ns(), 1);
    processor.tsc_hz = processor.pit_hz = 600000000;
    clock_initialize();
    assert_int_equal(clock_resolution_ns(), 2);
    processor.tsc_hz = processor.pit_hz = 1000000;
    clock_initialize();
    assert_int_equal(clock_resolution_ns(), 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_kvmclock, set_up),
        cmocka_unit_test_setup(test_cpuid, set_up),
        cmocka_unit_test_setup(test_conversion, set_up),
        cmocka_unit_test_setup(test_refinement, set_up),
        cmocka_unit_test_setup(test_wall_clock, set_up),
        cmocka_unit_test_setup(test_clocks, set_up),
    };
    return cmocka_run_group_tests_name("timesource", tests, NULL, NULL);
}
