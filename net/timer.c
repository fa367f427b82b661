#include "net/timer.h"

#include <stddef.h>

#include "kernel/base/string.h"

#define SLOT_BITS 6u
#define SLOT_MASK (TIMER_SLOTS - 1u)

_Static_assert(TIMER_SLOTS == 1u << SLOT_BITS, "one bit of `occupied` a slot");

void net_timers_init(struct net_timers *timers, uint64_t now_ns)
{
    memset(timers, 0, sizeof(*timers));
    timers->now_tick = now_ns >> TIMER_TICK_SHIFT;
}

static void link_timer(struct net_timers *timers, struct net_timer *timer, unsigned level,
                       unsigned slot)
{
    struct net_timer **head = &timers->slots[level][slot];

    timer->next = *head;
    if (timer->next != NULL) {
        timer->next->link = &timer->next;
    }
    timer->link = head;
    *head = timer;
    timers->occupied[level] |= 1ull << slot;
}

/*
 * Level l holds timers that are less than 64^(l+1) ticks away, in steps of 64^l ticks. A
 * timer beyond the last level waits in its last slot and is placed anew from there.
 */
static void place(struct net_timers *timers, struct net_timer *timer, uint64_t earliest_tick)
{
    const uint64_t horizon = 1ull << (SLOT_BITS * TIMER_LEVELS);
    uint64_t tick = timer->deadline_ns >> TIMER_TICK_SHIFT;
    uint64_t distance;
    unsigned level = 0;

    if ((timer->deadline_ns & ((1ull << TIMER_TICK_SHIFT) - 1)) != 0) {
        tick++;
    }
    if (tick < earliest_tick) {
        tick = earliest_tick;
    }
    distance = tick - timers->now_tick;
    if (distance >= horizon) {
        distance = horizon - 1;
        tick = timers->now_tick + distance;
    }
    while (distance >= 1ull << (SLOT_BITS * (level + 1))) {
        level++;
    }
    link_timer(timers, timer, level, (unsigned)(tick >> (SLOT_BITS * level)) & SLOT_MASK);
}

void net_timer_set(struct net_timers *timers, struct net_timer *timer, uint64_t deadline_ns)
{
    net_timer_cancel(timers, timer);
    timer->deadline_ns = deadline_ns;
    place(timers, timer, timers->now_tick + 1);
}

void net_timer_cancel(struct net_timers *timers, struct net_timer *timer)
{
    struct net_timer **first = &timers->slots[0][0];
    struct net_timer **link = timer->link;

    if (link == NULL) {
        return;
    }
    *link = timer->next;
    if (timer->next != NULL) {
        timer->next->link = link;
    } else if (link >= first && link < first + TIMER_LEVELS * TIMER_SLOTS) {
        size_t index = (size_t)(link - first); /* the slot became empty */
        timers->occupied[index / TIMER_SLOTS] &= ~(1ull << (index % TIMER_SLOTS));
    }
    timer->next = NULL;
    timer->link = NULL;
}

static uint64_t rotate_right(uint64_t value, unsigned count)
{
    return value >> count | value << ((64 - count) & 63);
}

/* The next tick at which a slot must be visited, or UINT64_MAX. */
static uint64_t next_tick(const struct net_timers *timers)
{
    uint64_t next = UINT64_MAX;

    for (unsigned level = 0; level < TIMER_LEVELS; level++) {
        unsigned shift = SLOT_BITS * level;
        uint64_t after = (timers->now_tick >> shift) + 1;
        uint64_t rotated = rotate_right(timers->occupied[level], (unsigned)after & SLOT_MASK);

        if (timers->occupied[level] != 0) {
            uint64_t tick = (after + (unsigned)__builtin_ctzll(rotated)) << shift;
            next = tick < next ? tick : next;
        }
    }
    return next;
}

/* Brings the timers of the slots that end at this tick one or more levels down. */
static void cascade(struct net_timers *timers)
{
    for (unsigned level = TIMER_LEVELS - 1; level > 0; level--) {
        unsigned shift = SLOT_BITS * level;
        unsigned slot = (unsigned)(timers->now_tick >> shift) & SLOT_MASK;
        struct net_timer *timer;

        if ((timers->now_tick & ((1ull << shift) - 1)) != 0) {
            continue;
        }
        timer = timers->slots[level][slot];
        timers->slots[level][slot] = NULL;
        timers->occupied[level] &= ~(1ull << slot);
        while (timer != NULL) {
            struct net_timer *next = timer->next;
            place(timers, timer, timers->now_tick);
            timer = next;
        }
    }
}

bool net_timers_run(struct net_stack *stack, struct net_timers *timers, uint64_t now_ns)
{
    uint64_t target = now_ns >> TIMER_TICK_SHIFT;
    bool ran = false;

    if (target == timers->now_tick) {
        return false; /* what is due by then has run, and what was set since is due later */
    }
    for (uint64_t tick = next_tick(timers); tick <= target; tick = next_tick(timers)) {
        struct net_timer *timer;
        struct net_timer **slot = &timers->slots[0][tick & SLOT_MASK];

        timers->now_tick = tick;
        cascade(timers);
        /* A callback cannot add to this slot: what it sets is due at the next tick or later. */
        while ((timer = *slot) != NULL) {
            net_timer_cancel(timers, timer);
            if (timer->deadline_ns > now_ns) {
                place(timers, timer, tick + 1); /* it had been beyond the last level */
                continue;
            }
            timer->fire(stack, timer);
            ran = true;
        }
    }
    if (target > timers->now_tick) {
        timers->now_tick = target;
    }
    return ran;
}

uint64_t net_timers_next_ns(const struct net_timers *timers)
{
    uint64_t tick = next_tick(timers);

    return tick == UINT64_MAX ? TIMER_NONE : tick << TIMER_TICK_SHIFT;
}
