#include "kernel/backtrace.h"

#include <stdbool.h>
#include <stddef.h>

#include "kernel/base/fmt.h"
#include "kernel/base/address.h"
#include "kernel/console.h"
#include "kernel/symbols.h"
#include "kernel/wasm_stack.h"
#include "kernel/x86/layout.h"
#include "kernel/x86/paging.h"

/* The innermost and, of a deep recursion, nothing else: enough to see who calls whom. */
#define FRAMES_MAX 32u

static bool is_stack_address(uint64_t address)
{
    uint64_t data_start = (uint64_t)(uintptr_t)image_data_start;
    uint64_t data_end = (uint64_t)(uintptr_t)image_data_end;
    struct paging_entry entry;
    bool in_stack = wasm_stack_contains(address) || (address >= data_start && address < data_end);
    return in_stack && address % sizeof(uint64_t) == 0 && paging_lookup(address, &entry);
}

static void print_frame(uint64_t address)
{
    char name[256];
    char line[280];
    symbols_describe(address, name, sizeof(name));
    size_t length = fmt_format(line, sizeof(line), "    at %s\n", name);
    console_write(CONSOLE_LOG, line, length < sizeof(line) ? length : sizeof(line) - 1);
}

void backtrace_print(uint64_t rip, uint64_t rbp)
{
    print_frame(rip);
    for (unsigned count = 1; is_stack_address(rbp) && is_stack_address(rbp + 8); count++) {
        if (count == FRAMES_MAX) {
            console_write(CONSOLE_LOG, "    ...\n", 8);
            return;
        }
        const uint64_t *frame = (const uint64_t *)(uintptr_t)rbp;
        uint64_t next = frame[0];
        if (frame[1] == 0) {
            return;
        }
        /* The return address may be the first byte of the next function. */
        print_frame(frame[1] - 1);
        /* Up within one stack; the Wasm stack lies below the kernel's in the address space. */
        if (next <= rbp && !(wasm_stack_contains(next) && !wasm_stack_contains(rbp))) {
            return;
        }
        rbp = next;
    }
}
