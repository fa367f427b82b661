/*
 * The timing loop that all contestants share: prints the checksum and the median of the
 * processor time, which a busy machine disturbs less than the time on the clock.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { TIMED_RUNS = 3 };

static inline int compare_times(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Runs the kernel TIMED_RUNS times; prints "CHECKSUM NANOSECONDS". */
static inline int time_kernel(double (*kernel)(void))
{
    uint64_t times[TIMED_RUNS];
    double checksum = 0;
    for (int i = 0; i < TIMED_RUNS; i++) {
        struct timespec start, end;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
        checksum = kernel();
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
        times[i] = (uint64_t)(end.tv_sec - start.tv_sec) * 1000000000u +
                   (uint64_t)(end.tv_nsec - start.tv_nsec);
    }
    qsort(times, TIMED_RUNS, sizeof times[0], compare_times);
    printf("%.17g %llu\n", checksum, (unsigned long long)times[TIMED_RUNS / 2]);
    return 0;
}
