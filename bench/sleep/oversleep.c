/*
 * Sleeps by poll_oneoff, 40 times for each of several lengths, and prints in microseconds how late
 * it woke (least, median, 90th percentile, worst), and what processor time a sleep used.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SLEEPS 40

static long long now_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return now.tv_sec * 1000000000ll + now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    long long left = *(const long long *)a, right = *(const long long *)b;

    return (left > right) - (left < right);
}

int main(void)
{
    static const int lengths_us[] = {100, 500, 1000, 2000, 5000, 10000, 20000, 50000};
    struct timespec resolution;

    clock_getres(CLOCK_MONOTONIC, &resolution);
    printf("resolution %ld ns\n", resolution.tv_nsec);
    for (size_t i = 0; i < sizeof(lengths_us) / sizeof(lengths_us[0]); i++) {
        long long late[SLEEPS];
        long long used = now_ns(CLOCK_PROCESS_CPUTIME_ID);

        for (int n = 0; n < SLEEPS; n++) {
            struct timespec length = {0, lengths_us[i] * 1000l};
            long long start = now_ns(CLOCK_MONOTONIC);

            nanosleep(&length, NULL);
            late[n] = now_ns(CLOCK_MONOTONIC) - start - length.tv_nsec;
        }
        used = now_ns(CLOCK_PROCESS_CPUTIME_ID) - used;
        qsort(late, SLEEPS, sizeof(late[0]), compare);
        printf("%d %.1f %.1f %.1f %.1f %.1f\n", lengths_us[i], (double)late[0] / 1e3,
               (double)late[SLEEPS / 2] / 1e3, (double)late[SLEEPS * 9 / 10] / 1e3,
               (double)late[SLEEPS - 1] / 1e3, (double)used / SLEEPS / 1e3);
    }
    return 0;
}
