/*
 * The four clocks, and sleeps from 50 us to 10 s by poll_oneoff. For a machine whose time is
 * counted in instructions (QEMU's icount): there a sleep ends late only because of Wafer.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <wasi/api.h>

#define LATE_MAX_NS 10000 /* a tenth of what is promised, whatever the length */
#define USED_MAX_NS 40000 /* nanoseconds of a halting processor: instructions of a sleep */

static uint64_t now_ns(__wasi_clockid_t clock)
{
    __wasi_timestamp_t now = 0;

    return __wasi_clock_time_get(clock, 1, &now) == 0 ? now : 0;
}

static void check(const char *what, bool holds)
{
    printf("%s: %s\n", what, holds ? "yes" : "no");
}

static void check_resolutions(void)
{
    bool same = true, refused = true;

    for (__wasi_clockid_t clock = 0; clock < 4; clock++) {
        __wasi_timestamp_t resolution = 0;

        same &= __wasi_clock_res_get(clock, &resolution) == 0 && resolution == 1;
    }
    for (unsigned clock = 4; clock < 40; clock += 5) {
        __wasi_timestamp_t any;

        refused &= __wasi_clock_res_get((__wasi_clockid_t)clock, &any) == __WASI_ERRNO_INVAL &&
                   __wasi_clock_time_get((__wasi_clockid_t)clock, 0, &any) == __WASI_ERRNO_INVAL;
    }
    check("a gigahertz shows single nanoseconds", same);
    check("other clocks are refused", refused);
}

/* What processor time passes while `rounds` rounds are computed; the monotonic time in *passed. */
static uint64_t compute_ns(uint32_t rounds, uint64_t *passed)
{
    uint64_t start = now_ns(__WASI_CLOCKID_MONOTONIC);
    uint64_t cpu = now_ns(__WASI_CLOCKID_PROCESS_CPUTIME_ID);
    volatile uint32_t sum = 1;

    for (uint32_t i = 0; i < rounds; i++) {
        sum = (sum ^ sum >> 15) * 69069 + i;
    }
    cpu = now_ns(__WASI_CLOCKID_PROCESS_CPUTIME_ID) - cpu;
    *passed = now_ns(__WASI_CLOCKID_MONOTONIC) - start;
    return cpu;
}

static void check_computing(void)
{
    uint64_t passed_short, passed_long;
    uint64_t cpu_short = compute_ns(1000000, &passed_short);
    uint64_t cpu_long = compute_ns(4000000, &passed_long);

    /* A round is at least half an instruction (of a nanosecond), however it is unrolled; the shift
     * keeps several from becoming one product. */
    check("processor time grows with the work",
          cpu_short >= 500000 && cpu_long > 3 * cpu_short && cpu_long < 5 * cpu_short);
    check("all of it", passed_long - cpu_long < 10000 && cpu_long <= passed_long);
}

static int sleep_ns(uint64_t length, __wasi_clockid_t clock, bool absolute)
{
    __wasi_subscription_t subscription;
    __wasi_event_t event;
    __wasi_size_t count = 0;

    memset(&subscription, 0, sizeof(subscription));
    subscription.u.tag = __WASI_EVENTTYPE_CLOCK;
    subscription.u.u.clock.id = clock;
    subscription.u.u.clock.timeout = length;
    if (absolute) {
        subscription.u.u.clock.flags = __WASI_SUBCLOCKFLAGS_SUBSCRIPTION_CLOCK_ABSTIME;
        subscription.u.u.clock.timeout += now_ns(clock);
    }
    return __wasi_poll_oneoff(&subscription, &event, 1, &count) == 0 && count == 1 &&
                   event.error == 0
               ? 0
               : -1;
}

static void check_sleep(uint64_t length, __wasi_clockid_t clock, bool absolute)
{
    uint64_t real = now_ns(__WASI_CLOCKID_REALTIME);
    uint64_t process = now_ns(__WASI_CLOCKID_PROCESS_CPUTIME_ID);
    uint64_t thread = now_ns(__WASI_CLOCKID_THREAD_CPUTIME_ID);
    uint64_t start = now_ns(__WASI_CLOCKID_MONOTONIC);
    int result = sleep_ns(length, clock, absolute);
    uint64_t passed = now_ns(__WASI_CLOCKID_MONOTONIC) - start;

    process = now_ns(__WASI_CLOCKID_PROCESS_CPUTIME_ID) - process;
    thread = now_ns(__WASI_CLOCKID_THREAD_CPUTIME_ID) - thread;
    real = now_ns(__WASI_CLOCKID_REALTIME) - real;
    bool good = result == 0 && passed >= length && passed - length <= LATE_MAX_NS &&
                process <= USED_MAX_NS && thread <= USED_MAX_NS && real >= length &&
                real - passed <= LATE_MAX_NS;
    printf("%llu us %s\n", (unsigned long long)length / 1000, good ? "yes" : "no");
    if (!good) {
        fprintf(stderr, "result %d late %lld process %llu thread %llu real %llu\n", result,
                (long long)(passed - length), (unsigned long long)process,
                (unsigned long long)thread, (unsigned long long)real);
    }
}

int main(void)
{
    static const uint64_t lengths_us[] = {50, 100, 1000, 10000, 50000, 999000, 1001000, 10000000};

    check_resolutions();
    check_computing();
    for (size_t i = 0; i < sizeof(lengths_us) / sizeof(lengths_us[0]); i++) {
        check_sleep(lengths_us[i] * 1000, __WASI_CLOCKID_MONOTONIC, false);
    }
    check_sleep(30000000, __WASI_CLOCKID_MONOTONIC, true);
    check_sleep(30000000, __WASI_CLOCKID_REALTIME, true);
    check_sleep(30000000, __WASI_CLOCKID_REALTIME, false);
    return 0;
}
