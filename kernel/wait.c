#include "kernel/wait.h"

#include <stddef.h>

#include "kernel/backtrace.h"
#include "kernel/clock.h"
#include "kernel/clock_boot.h"
#include "kernel/console.h"
#include "kernel/irq_boot.h"
#include "kernel/poweroff.h"
#include "kernel/wait_boot.h"
#include "kernel/x86/apic.h"
#include "kernel/x86/x86.h"

static struct {
    struct wait_poller *first;
    struct wait_poller **last_link;
    uint64_t limit_ns;
} waiting = {.last_link = &waiting.first, .limit_ns = WAIT_FOREVER};

void wait_register(struct wait_poller *poller)
{
    poller->next = NULL;
    *waiting.last_link = poller;
    waiting.last_link = &poller->next;
}

static bool poll_all(uint64_t *next_deadline_ns)
{
    bool progress = false;
    for (struct wait_poller *at = waiting.first; at != NULL; at = at->next) {
        progress |= at->poll(at->context, next_deadline_ns);
    }
    return progress;
}

bool wait_poll(void)
{
    uint64_t deadline = WAIT_FOREVER;
    return poll_all(&deadline);
}

void wait_set_limit(uint64_t limit_ns)
{
    waiting.limit_ns = limit_ns;
    apic_timer_set(limit_ns);
}

void wait_timer_fired(uint64_t rip, uint64_t rbp)
{
    if (waiting.limit_ns == WAIT_FOREVER) {
        return;
    }
    if (clock_monotonic_ns() < waiting.limit_ns) {
        /* Whoever waits for something nearer sets the timer again. */
        apic_timer_set(waiting.limit_ns);
        return;
    }
    static const char text[] = "wafer: the time limit has passed; running then:\n";
    console_write(CONSOLE_LOG, text, sizeof(text) - 1);
    backtrace_print(rip, rbp, true);
    machine_exit(EXIT_CODE_TIMEOUT);
}

/* A timer for Wasm code that computes: the stack's next deadline or the time limit. */
void wait_work_in_interrupt(void)
{
    uint64_t deadline = waiting.limit_ns;
    (void)poll_all(&deadline);
    apic_timer_set(deadline);
}

static void halt_until(uint64_t deadline_ns, uint32_t events)
{
    apic_timer_set(deadline_ns);
    x86_interrupts_disable();
    if (irq_event_count() != events) {
        x86_interrupts_enable();
        return;
    }
    uint64_t start = clock_monotonic_ns();
    /* Pairs with the disable above: whatever arrives now ends the halt. */
    x86_enable_and_halt();
    clock_add_halted_ns(clock_monotonic_ns() - start);
}

void wait_once(uint64_t deadline_ns)
{
    /* Read first: an interrupt during the polls below means that they may have missed it. */
    uint32_t events = irq_event_count();
    uint64_t next = deadline_ns < waiting.limit_ns ? deadline_ns : waiting.limit_ns;
    if (poll_all(&next) || next <= clock_monotonic_ns()) {
        return;
    }
    halt_until(next, events);
    uint64_t again = waiting.limit_ns;
    (void)poll_all(&again);
    /* Deadlines that come while Wasm code computes are met by the timer interrupt. */
    apic_timer_set(again);
}
