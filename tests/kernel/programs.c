/*
 * Small native "modules" that boot instead of a Wasm application, one for each property
 * of the kernel that Wasm code cannot probe. They keep to kernel/base/wasm_abi.h and
 * run where compiled code runs: ring 0, the Wasm stack, the SMAP window open. run.py
 * compiles this file once for each PROGRAM.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/wasm_abi.h"

#define HIDDEN __attribute__((visibility("hidden")))

extern HIDDEN uint8_t wasm_memory[];
extern HIDDEN char image_text_start[], image_rodata_start[], image_data_start[];
extern HIDDEN char stack_kernel_top[], stack_kernel_guard[];
#ifdef GUARD
extern HIDDEN char GUARD[];
#endif

void wasm_import__wasi_snapshot_preview1__proc_exit__i_v(uint32_t code);
#define proc_exit wasm_import__wasi_snapshot_preview1__proc_exit__i_v

/* gates.S: runs `function` as kernel code, on the kernel's stack, the SMAP window closed. */
_Noreturn void as_kernel(void (*function)(void));
/* No IDT, then an exception. */
_Noreturn void fault_three_times(void);
_Noreturn void loop_without_interrupts(void);

static struct wasm_memory memory = {.minimum_pages = 2, .maximum_pages = UINT64_MAX};
static struct wasm_memory *const memories[] = {&memory};

static void store(uint64_t address, uint8_t value)
{
    *(volatile uint8_t *)(wasm_memory + address) = value;
}

static uint8_t load(uint64_t address)
{
    return *(volatile uint8_t *)(wasm_memory + address);
}

static void recurse(uint64_t depth)
{
    volatile uint64_t frame[16];
    frame[depth % 16] = depth;
    recurse(depth + 1);
    frame[0] = frame[1];
}

static void overflow_the_kernel_stack(void)
{
    recurse(0);
}

static void touch_guest_memory(void)
{
    (void)load(64);
}

static void touch_nothing(void)
{
    *(volatile int *)0xffff800fff000000 = 1;
}

#ifdef GUARD
/* The last byte below the stack. */
static void read_guard(void)
{
    (void)*(volatile char *)(GUARD + 4095);
}
#endif

static void loop_for_ever(void)
{
    for (volatile int turn = 0;; turn = !turn) {
    }
}

/* Built with -fstack-protector-all: the return finds the canary gone. */
static __attribute__((noinline)) void smash(volatile char *target, uint64_t size)
{
    volatile char buffer[16];
    for (uint64_t i = 0; i < size; i++) {
        buffer[i] = 'x';
    }
    *target = buffer[0];
}

static __attribute__((noinline)) uint64_t huge(uint64_t depth)
{
    volatile uint8_t frame[300000];
    frame[depth % sizeof(frame)] = (uint8_t)depth;
    return huge(depth + 1) + frame[7];
}

static void start(void)
{
#if defined(PROGRAM_write_text)
    *(volatile char *)image_text_start = 0;
#elif defined(PROGRAM_write_rodata)
    *(volatile char *)image_rodata_start = 0;
#elif defined(PROGRAM_run_data)
    ((void (*)(void))image_data_start)();
#elif defined(PROGRAM_run_guest_memory)
    store(16, 0xc3);
    ((void (*)(void))(wasm_memory + 16))();
#elif defined(PROGRAM_write_direct_map_text)
    *(volatile char *)(0xffff800000200000) = 0;
#elif defined(PROGRAM_kernel_stack_overflow)
    as_kernel(overflow_the_kernel_stack);
#elif defined(PROGRAM_kernel_touches_guest)
    store(64, 1);
    as_kernel(touch_guest_memory);
#elif defined(PROGRAM_kernel_wild_pointer)
    as_kernel(touch_nothing);
#elif defined(PROGRAM_stack_smash)
    char target;
    smash(&target, 64);
#elif defined(PROGRAM_huge_frames)
    proc_exit((uint32_t)huge(0));
#elif defined(PROGRAM_triple_fault)
    fault_three_times();
#elif defined(PROGRAM_read_guard)
    as_kernel(read_guard);
#elif defined(PROGRAM_kernel_hangs)
    as_kernel(loop_for_ever);
#elif defined(PROGRAM_interrupts_off)
    loop_without_interrupts();
#elif defined(PROGRAM_memory_limits)
    uint64_t size = memory.size_bytes;
    for (unsigned step = 0; step < 40; step++) {
        store(size - 1, 1);
        if (load(size - 65536) != 0 || wasm_rt_memory_grow(&memory, 1) != size / 65536) {
            proc_exit(1);
        }
        size += 65536;
        if (memory.size_bytes != size) {
            proc_exit(2);
        }
    }
    if (wasm_rt_memory_grow(&memory, 65536) != UINT64_MAX ||
        wasm_rt_memory_grow(&memory, UINT64_MAX) != UINT64_MAX ||
        wasm_rt_memory_grow(&memory, 0) != size / 65536) {
        proc_exit(3);
    }
    (void)load(size);
#elif defined(PROGRAM_touch_all)
    uint64_t pages = 0;
    while (wasm_rt_memory_grow(&memory, 16) != UINT64_MAX) {
        pages += 16;
    }
    for (uint64_t at = 0; at < memory.size_bytes; at += 4096) {
        if (load(at) != 0) {
            proc_exit(1);
        }
        store(at, 1);
    }
    proc_exit(pages > 32 ? 0 : 2);
#elif defined(PROGRAM_table_grow)
    static uint64_t initial[6] = {1, 2, 3, 4, 5, 6};
    static struct wasm_table table = {initial, 3, 5000, 16};
    for (uint64_t size = 3; size < 5000; size++) {
        if (wasm_rt_table_grow(&table, 1) != size || table.size != size + 1) {
            proc_exit(1);
        }
        uint64_t *elements = table.base;
        if (elements[5] != 6 || elements[2 * size] != 0 || elements[2 * size + 1] != 0) {
            proc_exit(2);
        }
        elements[2 * size] = size;
        if (size > 3 && elements[2 * size - 2] != size - 1) {
            proc_exit(3);
        }
    }
    proc_exit(wasm_rt_table_grow(&table, 1) == UINT64_MAX && wasm_rt_table_grow(&table, 0) == 5000
                  ? 0
                  : 4);
#elif defined(PROGRAM_wants_v9)
#else
    proc_exit(0);
#endif
}

static void instantiate(void)
{
}

const struct wasm_module wasm_module = {
    .abi_version = WASM_ABI_VERSION,
    .flags = WASM_MODULE_HAS_MEMORY_BIT,
#if defined(PROGRAM_wants_v9)
    .cpu_level = 9,
#else
    .cpu_level = 2,
#endif
    .memory = &memory,
    .memories = memories,
    .memory_count = 1,
    .instantiate = instantiate,
    .start = start,
};
