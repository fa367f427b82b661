/* Sleeps three times and checks the clocks: monotonic time passes, CPU time hardly does. */
#include <stdio.h>
#include <time.h>

static long long now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000000000ll + now.tv_nsec;
}

int main(void)
{
    long long real = now_ns(CLOCK_REALTIME);
    long long start = now_ns(CLOCK_MONOTONIC);
    for (int i = 0; i < 3; i++) {
        struct timespec delay = {0, 100000000};
        nanosleep(&delay, NULL);
    }
    long long passed = now_ns(CLOCK_MONOTONIC) - start;
    printf("slept: %s\n", passed >= 300000000 && passed < 3000000000 ? "yes" : "no");
    printf("year: %s\n", real / 1000000000 > 1700000000 ? "plausible" : "wrong");
    return 0;
}
