/*
 * Allocations that fail on purpose. Every allocator of the fakes and harnesses asks
 * fail_nth_now() first and returns NULL when it says so; a test arms it:
 *
 *     for (uint64_t n = 1; fail_nth_next(n, FAIL_NTH_ONCE); n++) {
 *         ...what is tested, from a fresh state...
 *     }
 *
 * The loop ends after the first round in which nothing failed, so it covers every allocation
 * whatever their number. fail_nth_stop() ends a round's failures early, for what must succeed
 * afterwards. A header alone, so that the lists of sources need not name it; the state is
 * one for the whole program. Not for programs with threads.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum fail_nth_mode {
    FAIL_NTH_ONCE,    /* the n-th allocation fails, all others succeed */
    FAIL_NTH_FOR_GOOD /* the n-th and all that follow fail */
};

struct fail_nth {
    uint64_t at; /* 0: nothing fails */
    uint64_t count;
    enum fail_nth_mode mode;
    bool has_failed;
};
__attribute__((weak)) struct fail_nth fail_nth;

static inline bool fail_nth_now(void)
{
    if (fail_nth.at == 0) {
        return false;
    }
    fail_nth.count++;
    if (fail_nth.count < fail_nth.at ||
        (fail_nth.mode == FAIL_NTH_ONCE && fail_nth.count > fail_nth.at)) {
        return false;
    }
    fail_nth.has_failed = true;
    return true;
}

/* From here on the n-th allocation (1: the next) fails. */
static inline void fail_nth_start(uint64_t n, enum fail_nth_mode mode)
{
    fail_nth = (struct fail_nth){.at = n, .mode = mode};
}

/* No more failures; whether there was one since fail_nth_start. */
static inline bool fail_nth_stop(void)
{
    fail_nth.at = 0;
    return fail_nth.has_failed;
}

/* The condition of the loop above: starts round n unless round n - 1 met no failure. */
static inline bool fail_nth_next(uint64_t n, enum fail_nth_mode mode)
{
    if (n > 1 && !fail_nth_stop()) {
        return false;
    }
    fail_nth_start(n, mode);
    return true;
}
