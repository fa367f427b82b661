/*
 * Where the compiler's judgement about inlining is overruled (decision 23): a call on the way of
 * every request costs as much as many a function's work, and a rare case in the middle of such
 * a function takes registers from all of it. Any context.
 */
#pragma once

/* On the way of every request, called once or twice. */
#define ALWAYS_INLINE static inline __attribute__((always_inline))
/* Rare, or with locals that cost something to clear. */
#define NEVER_INLINE __attribute__((noinline))
/* The same, and the caller's registers stay as they are: it need not make room for this call. */
#ifdef __clang__
#define RARE_CALL NEVER_INLINE __attribute__((preserve_most))
/* Before a loop of one or two rounds. */
#define SHORT_LOOP _Pragma("clang loop unroll(disable)")
#else
#define RARE_CALL NEVER_INLINE
#define SHORT_LOOP
#endif
