#define _GNU_SOURCE
#include "tests/hosted/host.h"

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "kernel/base/exception_pool.h"

/* The stack of compiled code: guard, then stack. Frames are probed page by page, so one
 * page would do for a guard. */
#define STACK_BYTES        ((size_t)8 << 20)
#define GUARD_BYTES        ((size_t)1 << 20)
#define SIGNAL_STACK_BYTES ((size_t)64 << 10)

static uint8_t *stack_start;
static ucontext_t host_context;
static ucontext_t wasm_context;
static sigjmp_buf escape;
static void (*called_function)(void *argument);
static void *called_argument;

const char *host_trap_text(enum wasm_trap trap)
{
    switch (trap) {
    case WASM_TRAP_NONE:
        return "no trap";
#define X(name, number, text)                                                                      \
    case WASM_TRAP_##name:                                                                         \
        return text;
        WASM_TRAPS(X)
#undef X
    }
    return "unknown trap";
}

/* `ud1 kind(%eax), %eax`, see kernel/base/wasm_abi.h. */
static enum wasm_trap trap_of_instruction(const uint8_t *code)
{
    if (code[0] == 0x67 && code[1] == 0x0f && code[2] == 0xb9 && code[3] == 0x40) {
        return (enum wasm_trap)code[4];
    }
    return WASM_TRAP_NONE;
}

static enum wasm_trap trap_of_signal(int signal, const siginfo_t *info, const ucontext_t *context)
{
    uintptr_t address = (uintptr_t)info->si_addr;
    if (signal == SIGILL) {
        uintptr_t code = (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
        return trap_of_instruction((const uint8_t *)code);
    }
    if (signal == SIGSEGV || signal == SIGBUS) {
        if (address - (uintptr_t)stack_start < GUARD_BYTES) {
            return WASM_TRAP_STACK_OVERFLOW;
        }
        if (host_memory_contains(address)) {
            return WASM_TRAP_MEMORY_BOUNDS;
        }
    }
    return WASM_TRAP_NONE;
}

static void on_signal(int signal, siginfo_t *info, void *context)
{
    enum wasm_trap trap = trap_of_signal(signal, info, context);
    if (trap == WASM_TRAP_NONE) {
        const ucontext_t *machine = context;
        fprintf(stderr, "signal %d at %p, code address 0x%llx: not a trap\n", signal, info->si_addr,
                (unsigned long long)machine->uc_mcontext.gregs[REG_RIP]);
        _Exit(71);
    }
    siglongjmp(escape, (int)trap);
}

void host_init(void)
{
    static uint8_t signal_stack[SIGNAL_STACK_BYTES];
    stack_t alternate = {.ss_sp = signal_stack, .ss_size = sizeof(signal_stack)};
    struct sigaction action = {.sa_sigaction = on_signal,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};

    stack_start = mmap(NULL, GUARD_BYTES + STACK_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stack_start == MAP_FAILED || mprotect(stack_start, GUARD_BYTES, PROT_NONE) != 0 ||
        sigaltstack(&alternate, NULL) != 0) {
        perror("host_init");
        exit(70);
    }
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        if (sigaction(signals[i], &action, NULL) != 0) {
            perror("sigaction");
            exit(70);
        }
    }
}

static void enter(void)
{
    called_function(called_argument);
}

uint64_t wasm_rt_exception_refill(struct wasm_exception_pool *pool, const uint64_t *stack)
{
    const uint64_t *end = (const uint64_t *)(void *)(stack_start + GUARD_BYTES + STACK_BYTES);

    return exception_pool_refill(pool, stack, end, wasm_rt_table_grow);
}

enum wasm_trap host_call(void (*function)(void *argument), void *argument)
{
    struct wasm_memory *before = host_memory_active();
    called_function = function;
    called_argument = argument;
    int trap = sigsetjmp(escape, 1);
    if (trap == 0) {
        getcontext(&wasm_context);
        wasm_context.uc_stack.ss_sp = stack_start + GUARD_BYTES;
        wasm_context.uc_stack.ss_size = STACK_BYTES;
        wasm_context.uc_link = &host_context;
        makecontext(&wasm_context, enter, 0);
        swapcontext(&host_context, &wasm_context);
    }
    host_memory_activate(before);
    return (enum wasm_trap)trap;
}
