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
#include "kernel/x86/wasm_entry.h"

#define LINES_MAX  32u
#define FRAMES_MAX 1000000u /* an 8 MiB stack holds half of them */

static bool is_stack_address(uint64_t address)
{
    uint64_t data_start = (uint64_t)(uintptr_t)image_data_start;
    uint64_t data_end = (uint64_t)(uintptr_t)image_data_end;
    struct paging_entry entry;
    bool in_stack = wasm_stack_contains(address) || (address >= data_start && address < data_end);
    return in_stack && address % sizeof(uint64_t) == 0 && paging_lookup(address, &entry);
}

/* The frames printed so far; equal neighbours are counted, for recursions. */
struct printer {
    uint64_t last;
    uint64_t repeats;
    unsigned lines;
};

static void flush_repeats(struct printer *printer)
{
    char line[64];
    if (printer->repeats != 0) {
        size_t length = fmt_format(line, sizeof(line), "    (%llu more of it)\n",
                                   (unsigned long long)printer->repeats);
        console_write(CONSOLE_LOG, line, length);
        printer->repeats = 0;
    }
}

static void print_frame(struct printer *printer, uint64_t address)
{
    char name[256];
    char line[300];
    if (address == printer->last) {
        printer->repeats++;
        return;
    }
    flush_repeats(printer);
    printer->last = address;
    printer->lines++;
    symbols_describe(address, name, sizeof(name));
    size_t length =
        fmt_format(line, sizeof(line), "    at %s [0x%llx]\n", name, (unsigned long long)address);
    console_write(CONSOLE_LOG, line, length < sizeof(line) ? length : sizeof(line) - 1);
}

/* The return address of the frame at *rbp, which becomes its caller's; 0 at the end. */
static uint64_t next_address(uint64_t *rbp)
{
    if (*rbp == 0 || !is_stack_address(*rbp) || !is_stack_address(*rbp + 8)) {
        return 0;
    }
    const uint64_t *frame = (const uint64_t *)(uintptr_t)*rbp;
    uint64_t next = frame[0];
    uint64_t address = frame[1];
    /* Up within one stack; the Wasm stack lies below the kernel's in the address space. */
    bool upwards = next > *rbp || (wasm_stack_contains(next) && !wasm_stack_contains(*rbp));
    *rbp = upwards ? next : 0;
    return address;
}

void backtrace_print(uint64_t rip, uint64_t rbp, bool wasm_only)
{
    struct printer printer = {0};
    print_frame(&printer, rip);
    for (unsigned count = 1; count < FRAMES_MAX && printer.lines < LINES_MAX; count++) {
        uint64_t address = next_address(&rbp);
        if (address == 0 || (wasm_only && address == (uint64_t)(uintptr_t)wasm_enter_return)) {
            break;
        }
        /* The return address may be the first byte of the next function. */
        print_frame(&printer, address - 1);
    }
    flush_repeats(&printer);
    if (printer.lines == LINES_MAX) {
        console_write(CONSOLE_LOG, "    ...\n", 8);
    }
}

size_t backtrace_collect(uint64_t rip, uint64_t rbp, uint64_t *out, size_t max)
{
    size_t count = 0;
    for (uint64_t address = rip; address != 0 && count < max; count++) {
        out[count] = address;
        address = next_address(&rbp);
        address -= address != 0 ? 1 : 0;
    }
    return count;
}
