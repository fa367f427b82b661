#include "kernel/clock.h"

#include <stddef.h>

#include "kernel/clock_boot.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/x86/timesource.h"

#define NS_PER_S 1000000000ull

static struct {
    uint64_t real_offset_ns;
    uint64_t halted_ns;
} clock;

void clock_initialize(void)
{
    const char *source = timesource_initialize();
    if (source == NULL) {
        panic("no way to find the speed of the time stamp counter: give the machine a PIT "
              "(QEMU microvm: -M microvm,pit=on) or kvmclock");
    }
    uint64_t wall;
    if (timesource_wall_ns(&wall)) {
        clock.real_offset_ns = wall - clock_monotonic_ns();
    } else {
        log_warning("clock", "no wall clock: real time starts at 1970-01-01");
    }
    log_debug("clock", "TSC at %llu kHz from %s", (unsigned long long)timesource_hz() / 1000u,
              source);
}

uint64_t clock_monotonic_ns(void)
{
    return timesource_ns();
}

uint64_t clock_realtime_ns(void)
{
    return clock.real_offset_ns + timesource_ns();
}

uint64_t clock_resolution_ns(void)
{
    uint64_t hz = timesource_hz();
    return hz == 0 || hz >= NS_PER_S ? 1 : (NS_PER_S + hz - 1) / hz;
}

uint64_t clock_cpu_ns(void)
{
    return timesource_ns() - clock.halted_ns;
}

void clock_add_halted_ns(uint64_t ns)
{
    clock.halted_ns += ns;
}
