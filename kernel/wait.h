/*
 * How everything in Wafer waits: run the pollers, and halt until an interrupt or a
 * deadline when none made progress.
 *
 * Interrupt handlers only set flags (irq.h); the work of devices and of the
 * network stack is done by pollers, in normal kernel context. A poller must be
 * cheap when there is nothing to do.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define WAIT_FOREVER UINT64_MAX

struct wait_poller {
    /*
     * Does pending work; returns true when something happened that a waiter may
     * care about. *next_deadline_ns is the monotonic time at which it wants to run
     * again without an interrupt (lower it, never raise it).
     */
    bool (*poll)(void *context, uint64_t *next_deadline_ns);
    void *context;
    struct wait_poller *next; /* owned by wait.c */
};

void wait_register(struct wait_poller *poller);

/* One round over all pollers, no sleep. */
bool wait_poll(void);

/*
 * Polls; if nothing happened, sleeps until an interrupt, a poller's deadline or
 * deadline_ns (monotonic), then polls again. Returns after at most one sleep: the
 * caller re-checks its own condition and calls again.
 */
void wait_once(uint64_t deadline_ns);

/*
 * The same in the middle of a request to a device, whose driver could not be called for another
 * one: the time limit waits until the kernel is out of it. Once the limit has passed,
 * while the machine says farewell, neither sleeps nor polls.
 */
void wait_for_device(uint64_t deadline_ns);
