#include "kernel/profile.h"

#include <stddef.h>

#include "kernel/backtrace.h"
#include "kernel/base/fmt.h"
#include "kernel/base/string.h"
#include "kernel/console.h"
#include "kernel/mem.h"
#include "kernel/symbols.h"
#include "kernel/x86/layout.h"

#define NS_PER_S    1000000000ull
#define STACKS_MAX  8192u /* a power of two: a hash table with open addressing */
#define FRAMES_MAX  24u
#define PROBES_MAX  64u
#define RATE_MAX_HZ 10000u

/* Frames are offsets into the text, so that a stack takes little room. */
struct stack {
    uint32_t count;
    uint32_t depth; /* 0: free */
    uint32_t frames[FRAMES_MAX];
};

static struct {
    uint64_t period_ns;
    struct stack *stacks;
    uint64_t idle_count;
    uint64_t lost_count;
} profile;

enum err profile_start(uint64_t samples_per_second)
{
    if (samples_per_second == 0 || samples_per_second > RATE_MAX_HZ) {
        return ERR_INVAL;
    }
    profile.stacks = heap_allocate_zeroed(STACKS_MAX, sizeof(struct stack));
    if (profile.stacks == NULL) {
        return ERR_NOMEM;
    }
    profile.period_ns = NS_PER_S / samples_per_second;
    return ERR_OK;
}

uint64_t profile_period_ns(void)
{
    return profile.period_ns;
}

/* The function's start, so that samples in different places of it are one. */
static uint32_t function_offset(uint64_t address)
{
    const char *name;
    uint64_t offset = 0;
    (void)symbols_find(address, &name, &offset);
    return (uint32_t)(address - offset - (uint64_t)(uintptr_t)image_text_start);
}

static uint32_t hash(const struct stack *stack)
{
    uint32_t value = stack->depth;
    for (uint32_t i = 0; i < stack->depth; i++) {
        value = (value ^ stack->frames[i]) * 0x9e3779b1u;
        value ^= value >> 15;
    }
    return value;
}

void profile_sample(uint64_t rip, uint64_t rbp, bool idle)
{
    if (idle) {
        profile.idle_count++;
        return;
    }
    uint64_t addresses[FRAMES_MAX];
    struct stack stack = {.count = 1};
    stack.depth = (uint32_t)backtrace_collect(rip, rbp, addresses, FRAMES_MAX);
    for (uint32_t i = 0; i < stack.depth; i++) {
        stack.frames[i] = function_offset(addresses[i]);
    }
    uint32_t at = hash(&stack);
    for (uint32_t probe = 0; probe < PROBES_MAX; probe++, at++) {
        struct stack *slot = &profile.stacks[at % STACKS_MAX];
        if (slot->depth == 0) {
            *slot = stack;
            return;
        }
        if (slot->depth == stack.depth &&
            memcmp(slot->frames, stack.frames, stack.depth * sizeof(stack.frames[0])) == 0) {
            slot->count++;
            return;
        }
    }
    profile.lost_count++;
}

static void print_stack(const struct stack *stack)
{
    /* Names may be long: each goes out by itself. */
    console_write(CONSOLE_LOG, "wafer: sample ", 14);
    for (uint32_t i = stack->depth; i-- > 0;) {
        const char *name = "?";
        uint64_t offset;
        (void)symbols_find((uint64_t)(uintptr_t)image_text_start + stack->frames[i], &name,
                           &offset);
        console_write(CONSOLE_LOG, name, strlen(name));
        console_write(CONSOLE_LOG, ";", i != 0 ? 1 : 0);
    }
    char count[24];
    size_t length = fmt_format(count, sizeof(count), " %u\n", stack->count);
    console_write(CONSOLE_LOG, count, length);
}

void profile_report(void)
{
    if (profile.period_ns == 0) {
        return;
    }
    profile.period_ns = 0;
    for (uint32_t i = 0; i < STACKS_MAX; i++) {
        if (profile.stacks[i].depth != 0) {
            print_stack(&profile.stacks[i]);
        }
    }
    char line[96];
    size_t length =
        fmt_format(line, sizeof(line), "wafer: sample idle %llu\nwafer: sample lost %llu\n",
                   (unsigned long long)profile.idle_count, (unsigned long long)profile.lost_count);
    console_write(CONSOLE_LOG, line, length < sizeof(line) ? length : sizeof(line) - 1);
}
