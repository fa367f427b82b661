#include "kernel/wait.h"

#include <stddef.h>

#include "kernel/backtrace.h"
#include "kernel/clock.h"
#include "kernel/clock_boot.h"
#include "kernel/console.h"
#include "kernel/irq_boot.h"
#include "kernel/poweroff.h"
#include "kernel/profile.h"
#include "kernel/wait_boot.h"
#include "kernel/x86/apic.h"
#include "kernel/x86/timesource.h"
#include "kernel/x86/wasm_entry.h"
#include "kernel/x86/x86.h"

/*
 * After a poll that found work the card's interrupt may be off: look again this soon, even
 * when Wasm code computes meanwhile. Short beside a client's patience, long beside the
 * cost of a look.
 */
#define LOOK_AGAIN_NS 2000000u
/* How long after the time limit the kernel may take to come to a stop by itself. */
#define GRACE_NS 500000000u
/* How long disks may take after that to hold what was written; scripts/wafer waits 5 s. */
#define FAREWELL_NS 3000000000u

static struct {
    struct wait_poller *first;
    struct wait_poller **last_link;
    uint64_t limit_ns;
    uint32_t end_code;            /* when it has passed */
    volatile bool stop_requested; /* by an NMI, which may come anywhere */
    bool halted;
    bool in_request;   /* a driver waits for its device */
    bool is_over;      /* the limit has passed: the machine says farewell, without interrupts */
    uint64_t timer_ns; /* when the timer will fire; WAIT_FOREVER: it is not running */
} waiting = {.last_link = &waiting.first,
             .limit_ns = WAIT_FOREVER,
             .end_code = EXIT_CODE_TIMEOUT,
             .timer_ns = WAIT_FOREVER};

void wait_register(struct wait_poller *poller)
{
    poller->next = NULL;
    *waiting.last_link = poller;
    waiting.last_link = &poller->next;
}

static bool poll_all(uint64_t *next_deadline_ns)
{
    wasm_return_pending = 0;
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

/*
 * Setting the timer leaves the virtual machine, so one that fires earlier is left alone:
 * whoever it wakes looks again. Interrupts are off, or the timer could fire unseen
 * between the comparison and the return.
 */
static void ensure_timer(uint64_t at_ns)
{
    if (at_ns < waiting.timer_ns) {
        waiting.timer_ns = at_ns;
        apic_timer_set(at_ns);
    }
}

static void ensure_timer_enabled(uint64_t at_ns)
{
    x86_interrupts_disable();
    ensure_timer(at_ns);
    x86_interrupts_enable();
}

void wait_set_limit(uint64_t limit_ns)
{
    waiting.limit_ns = limit_ns;
    ensure_timer_enabled(limit_ns);
}

/* The end by time limit or from outside, where no kernel code is in the middle of something. */
static _Noreturn void expire(uint64_t rip, uint64_t rbp)
{
    static const char text[] = "wafer: the time limit has passed; running then:\n";
    if (waiting.end_code == EXIT_CODE_TIMEOUT) {
        console_write(CONSOLE_LOG, text, sizeof(text) - 1);
        backtrace_print(rip, rbp, false);
    }
    /*
     * Disks are brought up to date now, which may wait for them. This may be the timer's stack,
     * which the next interrupt would begin anew: none comes from here on.
     */
    x86_interrupts_disable();
    waiting.is_over = true;
    waiting.limit_ns = clock_monotonic_ns() + FAREWELL_NS;
    machine_exit(waiting.end_code);
}

static void check_limit(void)
{
    if (clock_monotonic_ns() >= waiting.limit_ns) {
        if (waiting.is_over) {
            machine_exit(waiting.end_code);
        }
        const uint64_t *frame = __builtin_frame_address(0);
        expire(frame[1] - 1, frame[0]);
    }
}

void wait_request_stop(void)
{
    waiting.stop_requested = true;
    apic_interrupt_self(APIC_TIMER_VECTOR);
}

void wait_timer_fired(uint64_t rip, uint64_t rbp, bool in_wasm)
{
    waiting.timer_ns = WAIT_FOREVER;
    uint64_t now = clock_monotonic_ns();
    if (profile_period_ns() != 0) {
        profile_sample(rip, rbp, waiting.halted);
        ensure_timer(now + profile_period_ns());
    }
    if (waiting.stop_requested) {
        waiting.stop_requested = false;
        waiting.end_code = EXIT_CODE_STOPPED;
        waiting.limit_ns = now;
    }
    if (waiting.limit_ns == WAIT_FOREVER) {
        return;
    }
    if (now < waiting.limit_ns) {
        ensure_timer(waiting.limit_ns);
    } else if (in_wasm || (waiting.halted && !waiting.in_request)) {
        expire(rip, rbp);
    } else if (now < waiting.limit_ns + GRACE_NS) {
        ensure_timer(waiting.limit_ns + GRACE_NS);
    } else {
        /* The kernel itself hangs: nothing of it can be trusted to say farewell. */
        poweroff_set_farewell(NULL);
        expire(rip, rbp);
    }
}

/* Polls on behalf of code that will not wait; says when the next look is due. */
static uint64_t poll_and_plan(void)
{
    uint64_t next = waiting.limit_ns;
    if (poll_all(&next)) {
        uint64_t soon = clock_monotonic_ns() + LOOK_AGAIN_NS;
        next = soon < next ? soon : next;
    }
    return next;
}

void wait_begin(void)
{
    uint64_t next = poll_and_plan();
    uint64_t sample = profile_period_ns() != 0 ? clock_monotonic_ns() : WAIT_FOREVER;
    ensure_timer_enabled(sample < next ? sample : next);
}

void wasm_runtime_return_work(void)
{
    check_limit();
    ensure_timer_enabled(poll_and_plan());
}

void wait_after_interrupt(bool in_wasm)
{
    if (in_wasm) {
        ensure_timer(poll_and_plan());
    } else if (!waiting.halted) {
        wasm_return_pending = 1;
        /* The flag may have been read just before: then the timer finds Wasm code. */
        ensure_timer(clock_monotonic_ns() + LOOK_AGAIN_NS);
    }
}

static void halt_until(uint64_t deadline_ns, uint32_t events)
{
    x86_interrupts_disable();
    if (irq_event_count() != events) {
        x86_interrupts_enable();
        return;
    }
    ensure_timer(deadline_ns);
    uint64_t start = clock_monotonic_ns();
    /* Pairs with the disable above: whatever arrives now ends the halt. */
    waiting.halted = true;
    x86_enable_and_halt();
    waiting.halted = false;
    clock_add_halted_ns(clock_monotonic_ns() - start);
}

static void sleep_once(uint64_t deadline_ns)
{
    if (waiting.is_over) {
        x86_pause();
        return;
    }
    /* Read first: an interrupt during the polls below means that they may have missed it. */
    uint32_t events = irq_event_count();
    uint64_t next = deadline_ns < waiting.limit_ns ? deadline_ns : waiting.limit_ns;
    bool progress = poll_all(&next);
    uint64_t now = clock_monotonic_ns();
    if (!progress && next > now) {
        timesource_refine();
        halt_until(next, events);
        next = poll_and_plan();
    } else {
        next = next < now + LOOK_AGAIN_NS ? next : now + LOOK_AGAIN_NS;
    }
    ensure_timer_enabled(next);
}

void wait_once(uint64_t deadline_ns)
{
    check_limit();
    sleep_once(deadline_ns);
}

void wait_for_device(uint64_t deadline_ns)
{
    if (waiting.is_over) {
        check_limit();
    }
    waiting.in_request = true;
    sleep_once(deadline_ns);
    waiting.in_request = false;
}
