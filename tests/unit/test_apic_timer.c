/*
 * The timer of kernel/x86/apic.c: TSC deadlines where the processor has them (KVM), else a
 * count of measured speed. Whatever the length of a sleep, it ends when it should.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "kernel/x86/apic.h"
#include "kernel/x86/cpu.h"
#include "kernel/x86/timesource.h"
#include "tests/unit/fake_processor.h"

#define NS_PER_S       1000000000ull
#define LVT_MODE       (3u << 17)
#define LVT_DEADLINE   (2u << 17)
#define LVT_MASKED_BIT (1u << 16)

static void start(uint32_t features)
{
    cpu_info.features = features;
    assert_non_null(timesource_initialize());
    assert_int_equal(apic_initialize(), ERR_OK);
    processor.timer_writes = 0;
}

static void test_deadline(void **state)
{
    (void)state;
    processor_reset();
    start(CPU_HAS_TSC_DEADLINE_BIT);
    assert_int_equal(processor.lvt_timer, LVT_DEADLINE | APIC_TIMER_VECTOR);
    uint64_t at_ns = timesource_ns() + 50000000;
    apic_timer_set(at_ns);
    assert_int_equal(processor.deadline, timesource_tsc_at(at_ns));
    assert_int_equal(processor.timer_writes, 1);
    apic_timer_set(UINT64_MAX);
    assert_int_equal(processor.deadline, 0);
    assert_true(processor_timer_ns() == UINT64_MAX);
    /* A time in the past is a deadline, too: it fires at once. 0 would be none. */
    apic_timer_set(0);
    assert_int_not_equal(processor.deadline, 0);
    assert_int_equal(processor_timer_ns(), processor.now_ns);
}

static void test_count(void **state)
{
    (void)state;
    processor_reset();
    start(0);
    assert_int_equal(processor.lvt_timer, APIC_TIMER_VECTOR);
    apic_timer_set(UINT64_MAX);
    assert_int_equal(processor.count, 0);
    apic_timer_set(0);
    assert_int_equal(processor.count, 1);
    apic_timer_set(timesource_ns() + 1000000);
    assert_in_range(processor.count, 62000, 62500);
    /* A second at a time, or what the register holds. */
    apic_timer_set(timesource_ns() + 86400 * NS_PER_S);
    assert_in_range(processor.count, 62000000, 62500000);
    processor_reset();
    processor.timer_hz = 100 * NS_PER_S;
    start(0);
    apic_timer_set(timesource_ns() + 86400 * NS_PER_S);
    assert_int_equal(processor.count, UINT32_MAX);
}

/* Sleeps as kernel/wait.c does: sets the timer and looks again until the time has come. */
static uint64_t late_ns(uint64_t length_ns, unsigned *wakes)
{
    uint64_t until = timesource_ns() + length_ns;

    for (*wakes = 0; timesource_ns() < until; ++*wakes) {
        apic_timer_set(until);
        uint64_t fires = processor_timer_ns();
        assert_true(fires != UINT64_MAX);
        processor.now_ns = fires > processor.now_ns ? fires : processor.now_ns;
        assert_in_range(*wakes, 0, 40);
    }
    return timesource_ns() - until;
}

/* However slow its registers are to read, and off by up to what the margin covers. */
static void test_no_sleep_is_late_by_its_length(void **state)
{
    static const uint64_t lengths_ns[] = {100000, 1000000, 50000000, NS_PER_S, 10 * NS_PER_S};
    static const int drifts_ppm[] = {0, 3000, -3000};

    (void)state;
    for (uint32_t mode = 0; mode < 2; mode++) {
        for (size_t drift = 0; drift < 3; drift++) {
            for (uint64_t read_ns = 10; read_ns <= 1000; read_ns *= 10) {
                processor_reset();
                processor.read_ns = read_ns;
                start(mode == 0 ? 0 : CPU_HAS_TSC_DEADLINE_BIT);
                processor.timer_hz +=
                    (uint64_t)((int64_t)processor.timer_hz / 1000000 * drifts_ppm[drift]);
                for (size_t i = 0; i < sizeof(lengths_ns) / sizeof(lengths_ns[0]); i++) {
                    unsigned wakes;
                    assert_in_range(late_ns(lengths_ns[i], &wakes), 0, 500 + 4 * read_ns);
                    assert_in_range(wakes, 1, 5 + lengths_ns[i] / NS_PER_S);
                }
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_count),
        cmocka_unit_test(test_no_sleep_is_late_by_its_length),
    };
    return cmocka_run_group_tests_name("apic_timer", tests, NULL, NULL);
}
