/*
 * ASSERT: a condition that only a bug of ours can break. Kept in release builds.
 * Never on input from the guest, the network, a device or a file: those get an
 * error. Conditions have no side effects. Any context.
 */
#pragma once

/* Reports and ends the machine (kernel) or the process (hosted tests). */
_Noreturn void assert_failed(const char *condition, const char *file, int line);

#define ASSERT(condition)                                                                          \
    do {                                                                                           \
        if (__builtin_expect(!(condition), 0)) {                                                   \
            assert_failed(#condition, __FILE__, __LINE__);                                         \
        }                                                                                          \
    } while (0)
