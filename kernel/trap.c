#include "kernel/trap.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/backtrace.h"
#include "kernel/base/fmt.h"
#include "kernel/base/string.h"
#include "kernel/base/wasm_abi.h"
#include "kernel/console.h"
#include "kernel/guest_pages.h"
#include "kernel/panic.h"
#include "kernel/poweroff.h"
#include "kernel/wait_boot.h"
#include "kernel/wasm_stack.h"
#include "kernel/x86/idt.h"
#include "kernel/x86/layout.h"
#include "kernel/x86/x86.h"

/* Nested exceptions: the second one is reported with as little code as possible. */
static unsigned depth;

static void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void print(const char *format, ...)
{
    char line[320];
    va_list arguments;
    va_start(arguments, format);
    size_t length = fmt_format_list(line, sizeof(line), format, arguments);
    va_end(arguments);
    console_write(CONSOLE_LOG, line, length < sizeof(line) ? length : sizeof(line) - 1);
}

/* The check of -fsanitize=undefined that failed: clang's SanitizerHandler, its first entries. */
static const char *sanitizer_text(unsigned kind)
{
    static const char *const names[] = {
        "add overflow",        "builtin unreachable",   "control flow integrity",
        "division overflow",   "dynamic type",          "float cast",
        "function type",       "implicit conversion",   "invalid builtin",
        "invalid objc cast",   "load of invalid value", "missing return",
        "multiply overflow",   "negate overflow",       "nullability argument",
        "nullability return",  "nonnull argument",      "nonnull return",
        "index out of bounds", "pointer overflow",      "shift out of bounds",
        "subtract overflow",   "type mismatch",         "alignment assumption",
        "array bound",
    };
    return kind < sizeof(names) / sizeof(names[0]) ? names[kind] : "undefined behaviour";
}

static const char *trap_text(enum wasm_trap kind)
{
    switch (kind) {
#define X(name, number, text)                                                                      \
    case WASM_TRAP_##name:                                                                         \
        return text;
        WASM_TRAPS(X)
#undef X
    case WASM_TRAP_NONE:
        break;
    }
    return NULL;
}

#define UD2_KIND 256

/*
 * The number in `ud1 kind(%eax), %eax` (67 0f b9 40 kind; 67 0f b9 00 for kind 0), or
 * UD2_KIND for ud2, or -1.
 */
static int decode_invalid_opcode(uint64_t rip)
{
    uint64_t end = (uint64_t)(uintptr_t)image_text_end;
    if (rip < (uint64_t)(uintptr_t)image_text_start || rip + 5 > end) {
        return -1;
    }
    const uint8_t *code = (const uint8_t *)(uintptr_t)rip;
    static const uint8_t ud1[] = {0x67, 0x0f, 0xb9};
    if (memcmp(code, ud1, sizeof(ud1)) == 0) {
        return code[3] == 0x40 ? code[4] : code[3] == 0x00 ? 0 : -1;
    }
    return code[0] == 0x0f && code[1] == 0x0b ? UD2_KIND : -1;
}

static enum wasm_trap trap_of_invalid_opcode(uint64_t rip)
{
    int kind = decode_invalid_opcode(rip);
    return kind == UD2_KIND ? WASM_TRAP_UNREACHABLE
                            : (enum wasm_trap)(kind < 0 ? WASM_TRAP_NONE : kind);
}

static enum wasm_trap classify(const struct interrupt_frame *frame, uint64_t address)
{
    switch (frame->vector) {
    case EXCEPTION_INVALID_OPCODE:
        return trap_of_invalid_opcode(frame->rip);
    case EXCEPTION_DIVIDE:
        return WASM_TRAP_DIVIDE_BY_ZERO;
    case EXCEPTION_PAGE_FAULT:
        if (wasm_stack_guard_contains(address)) {
            return WASM_TRAP_STACK_OVERFLOW;
        }
        /* Compiled code never jumps into memory: a fetch there is no trap of the module's. */
        return guest_pages_in_window(address) && (frame->error_code & PAGE_FAULT_FETCH_BIT) == 0
                   ? WASM_TRAP_MEMORY_BOUNDS
                   : WASM_TRAP_NONE;
    default:
        return WASM_TRAP_NONE;
    }
}

static _Noreturn void report_trap(const struct interrupt_frame *frame, enum wasm_trap kind,
                                  uint64_t address)
{
    print("wafer: trap: %s\n", trap_text(kind));
    if (kind == WASM_TRAP_MEMORY_BOUNDS) {
        guest_pages_describe(address);
    }
    backtrace_print(frame->rip, frame->rbp, true);
    machine_exit(EXIT_CODE_TRAP);
}

static const char *exception_name(uint64_t vector)
{
    static const char *const names[] = {
        "divide error",
        "debug exception",
        "non-maskable interrupt",
        "breakpoint",
        "overflow",
        "bound range",
        "invalid opcode",
        "device not available",
        "double fault",
        "coprocessor",
        "invalid TSS",
        "segment not present",
        "stack fault",
        "general protection",
        "page fault",
        "reserved",
        "x87 error",
        "alignment check",
        "machine check",
        "SIMD error",
        "virtualization",
        "control protection",
    };
    return vector < sizeof(names) / sizeof(names[0]) ? names[vector] : "exception";
}

/* SDM 3A §4.7, and the page below each stack that says which one overflowed. */
static const char *explain_page_fault(uint64_t address)
{
    static const struct {
        const char *guard;
        const char *text;
    } stacks[] = {
        {stack_kernel_guard, "the kernel's stack overflowed"},
        {stack_exception_guard, "the exception stack overflowed"},
        {stack_interrupt_guard, "the interrupt stack overflowed"},
    };
    for (size_t i = 0; i < sizeof(stacks) / sizeof(stacks[0]); i++) {
        if (address - (uint64_t)(uintptr_t)stacks[i].guard < PAGE_BYTES) {
            return stacks[i].text;
        }
    }
    return guest_pages_in_window(address) ? "the kernel touched guest memory outside its window"
                                          : "the kernel touched an address that is not mapped so";
}

static _Noreturn void report_bug(const struct interrupt_frame *f, uint64_t address)
{
    print("wafer: panic: %s at 0x%llx in %s code, error code 0x%llx\n", exception_name(f->vector),
          (unsigned long long)f->rip, wasm_stack_contains(f->rsp) ? "Wasm" : "kernel",
          (unsigned long long)f->error_code);
    if (f->vector == EXCEPTION_PAGE_FAULT) {
        print("  address 0x%llx: %s\n", (unsigned long long)address, explain_page_fault(address));
    }
    int kind = f->vector == EXCEPTION_INVALID_OPCODE ? decode_invalid_opcode(f->rip) : -1;
    if (kind >= 0 && kind != UD2_KIND) {
        print("  undefined behaviour caught by UBSan: %s\n", sanitizer_text((unsigned)kind));
    }
    const struct {
        const char *name;
        uint64_t value;
    } registers[] = {
        {"rax", f->rax}, {"rbx", f->rbx}, {"rcx", f->rcx},    {"rdx", f->rdx}, {"rsi", f->rsi},
        {"rdi", f->rdi}, {"rbp", f->rbp}, {"rsp", f->rsp},    {"r8 ", f->r8},  {"r9 ", f->r9},
        {"r10", f->r10}, {"r11", f->r11}, {"r12", f->r12},    {"r13", f->r13}, {"r14", f->r14},
        {"r15", f->r15}, {"rip", f->rip}, {"rfl", f->rflags},
    };
    for (size_t i = 0; i < sizeof(registers) / sizeof(registers[0]); i++) {
        print("  %s 0x%016llx%s", registers[i].name, (unsigned long long)registers[i].value,
              i % 4 == 3 ? "\n" : "");
    }
    print("\n");
    backtrace_print(f->rip, f->rbp, false);
    machine_exit(EXIT_CODE_PANIC);
}

static void on_exception(struct interrupt_frame *frame, uint64_t address)
{
    if (depth == 0 && frame->vector == EXCEPTION_PAGE_FAULT &&
        guest_pages_populate(address, frame->error_code)) {
        return;
    }
    if (frame->vector == EXCEPTION_NMI) {
        /* Nothing of ours raises one: somebody outside wants the machine to end. */
        if (depth == 0) {
            wait_request_stop();
        }
        return;
    }
    if (++depth > 1) {
        if (depth == 2) {
            print("wafer: panic: %s at 0x%llx while reporting an exception\n",
                  exception_name(frame->vector), (unsigned long long)frame->rip);
        }
        machine_exit(EXIT_CODE_PANIC);
    }
    bool in_wasm = wasm_stack_contains(frame->rsp) || wasm_stack_guard_contains(frame->rsp);
    enum wasm_trap kind = in_wasm ? classify(frame, address) : WASM_TRAP_NONE;
    if (trap_text(kind) != NULL) {
        report_trap(frame, kind, address);
    }
    report_bug(frame, address);
}

void trap_initialize(void)
{
    idt_set_exception_handler(on_exception);
}
