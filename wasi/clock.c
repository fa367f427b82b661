/* WASI preview 1: clocks. The machine runs one process of one thread, so both CPU clocks agree. */
#include "kernel/clock.h"

#include "wasi/calls.h"
#include "wasi/errno.h"
#include "wasi/guest_memory.h"
#include "wasi/types.h"

uint32_t wasi_clock_res_get(uint32_t id, uint32_t resolution)
{
    if (id > WASI_CLOCK_THREAD_CPUTIME) {
        return wasi_errno(ERR_INVAL);
    }
    return wasi_errno(guest_write_u64(guest_address(resolution), clock_resolution_ns()));
}

/* The clock is always read as exactly as it can be, whatever precision is asked for. */
uint32_t wasi_clock_time_get(uint32_t id, uint64_t precision, uint32_t time)
{
    uint64_t now_ns;

    (void)precision;
    switch (id) {
    case WASI_CLOCK_REALTIME:
        now_ns = clock_realtime_ns();
        break;
    case WASI_CLOCK_MONOTONIC:
        now_ns = clock_monotonic_ns();
        break;
    case WASI_CLOCK_PROCESS_CPUTIME:
    case WASI_CLOCK_THREAD_CPUTIME:
        now_ns = clock_cpu_ns();
        break;
    default:
        return wasi_errno(ERR_INVAL);
    }
    return wasi_errno(guest_write_u64(guest_address(time), now_ns));
}
