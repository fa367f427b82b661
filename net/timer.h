/*
 * A hierarchical timing wheel (Varghese and Lauck, 1987): setting and cancelling a
 * timer costs the same however many there are. Ticks are 2^20 ns (about 1 ms); a
 * timer never runs before its deadline and at most one tick after it (given a poll).
 *
 * The wheel links timers, their owner keeps the memory and cancels a timer before it frees it.
 * A zeroed struct net_timer with `fire` set is ready for use. Context as net.h says; a
 * callback may set and cancel any timer, its own included.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define TIMER_TICK_SHIFT 20u
#define TIMER_LEVELS     4u
#define TIMER_SLOTS      64u
#define TIMER_NONE       UINT64_MAX

struct net_stack;

struct net_timer {
    struct net_timer *next;
    struct net_timer **link; /* what points here; NULL: not set */
    void (*fire)(struct net_stack *stack, struct net_timer *timer);
    uint64_t deadline_ns;
};

struct net_timers {
    uint64_t now_tick;               /* every timer up to this tick has run */
    uint64_t occupied[TIMER_LEVELS]; /* one bit a slot */
    struct net_timer *slots[TIMER_LEVELS][TIMER_SLOTS];
};

void net_timers_init(struct net_timers *timers, uint64_t now_ns);
/* (Re)arms. Deadlines beyond the wheel's 4.8 hours are visited on the way and stay exact. */
void net_timer_set(struct net_timers *timers, struct net_timer *timer, uint64_t deadline_ns);
void net_timer_cancel(struct net_timers *timers, struct net_timer *timer);
static inline bool net_timer_is_set(const struct net_timer *timer)
{
    return timer->link != 0;
}
/* Runs what is due; true when a timer ran. */
bool net_timers_run(struct net_stack *stack, struct net_timers *timers, uint64_t now_ns);
/* A time at or before the next deadline at which net_timers_run has work, or TIMER_NONE. */
uint64_t net_timers_next_ns(const struct net_timers *timers);
