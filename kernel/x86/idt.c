#include "kernel/x86/idt.h"

#include <stddef.h>

#include "kernel/x86/cpu.h"
#include "kernel/x86/layout.h"
#include "kernel/x86/x86.h"

#define SELECTOR_CODE 0x08u
#define SELECTOR_TSS  0x10u

/* Interrupt stack table indices (SDM 3A §6.14.5). */
enum stack_index {
    STACK_DOUBLE_FAULT = 1,
    STACK_NMI = 2,
    STACK_MACHINE_CHECK = 3,
    STACK_EXCEPTION = 4,
    STACK_INTERRUPT = 5,
};

struct gate {
    uint16_t offset_low;
    uint16_t selector;
    uint8_t stack;
    uint8_t type;
    uint16_t offset_middle;
    uint32_t offset_high;
    uint32_t reserved;
};
_Static_assert(sizeof(struct gate) == 16, "SDM 3A figure 6-8");

struct __attribute__((packed)) task_state {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t stacks[7];
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t io_map_base;
};
_Static_assert(sizeof(struct task_state) == 104, "SDM 3A figure 7-11");

struct __attribute__((packed)) table_pointer {
    uint16_t limit;
    uint64_t base;
};

/* isr.S: 256 entries of 16 bytes. */
extern const char interrupt_entries[];
void interrupt_dispatch(struct interrupt_frame *frame);

static struct gate idt[256];
static struct task_state tss;
static uint64_t gdt[4];

static exception_handler *on_exception;
static struct {
    interrupt_handler *handler;
    void *context;
} handlers[256];

static uint8_t stack_of(unsigned vector)
{
    switch (vector) {
    case EXCEPTION_DOUBLE_FAULT:
        return STACK_DOUBLE_FAULT;
    case EXCEPTION_NMI:
        return STACK_NMI;
    case EXCEPTION_MACHINE_CHECK:
        return STACK_MACHINE_CHECK;
    default:
        return vector < IDT_FIRST_DEVICE_VECTOR ? STACK_EXCEPTION : STACK_INTERRUPT;
    }
}

static void load_segments(void)
{
    tss.stacks[STACK_DOUBLE_FAULT - 1] = (uint64_t)(uintptr_t)stack_double_fault_top;
    tss.stacks[STACK_NMI - 1] = (uint64_t)(uintptr_t)stack_nmi_top;
    tss.stacks[STACK_MACHINE_CHECK - 1] = (uint64_t)(uintptr_t)stack_machine_check_top;
    tss.stacks[STACK_EXCEPTION - 1] = (uint64_t)(uintptr_t)stack_exception_top;
    tss.stacks[STACK_INTERRUPT - 1] = (uint64_t)(uintptr_t)stack_interrupt_top;
    tss.io_map_base = sizeof(tss);

    uint64_t base = (uint64_t)(uintptr_t)&tss;
    gdt[SELECTOR_CODE / 8] = 0x00af9b000000ffffull;
    /* SDM 3A §7.2.3: an available 64-bit TSS. */
    gdt[SELECTOR_TSS / 8] =
        (sizeof(tss) - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
    gdt[SELECTOR_TSS / 8 + 1] = base >> 32;
    struct table_pointer pointer = {sizeof(gdt) - 1, (uint64_t)(uintptr_t)gdt};
    x86_load_gdt(&pointer);
    x86_load_task_register(SELECTOR_TSS);
}

void idt_initialize(void)
{
    load_segments();
    for (unsigned vector = 0; vector < 256; vector++) {
        uint64_t entry = (uint64_t)(uintptr_t)interrupt_entries + 16ull * vector;
        idt[vector] = (struct gate){
            .offset_low = (uint16_t)entry,
            .selector = SELECTOR_CODE,
            .stack = stack_of(vector),
            .type = 0x8e, /* present, ring 0, interrupt gate: IF is cleared */
            .offset_middle = (uint16_t)(entry >> 16),
            .offset_high = (uint32_t)(entry >> 32),
        };
    }
    struct table_pointer pointer = {sizeof(idt) - 1, (uint64_t)(uintptr_t)idt};
    x86_load_idt(&pointer);
}

void idt_set_exception_handler(exception_handler *handler)
{
    on_exception = handler;
}

void idt_set_handler(uint8_t vector, interrupt_handler *handler, void *context)
{
    bool enabled = x86_interrupts_save();
    handlers[vector].context = context;
    handlers[vector].handler = handler;
    x86_interrupts_restore(enabled);
}

static void dispatch(struct interrupt_frame *frame)
{
    if (frame->vector >= IDT_FIRST_DEVICE_VECTOR) {
        interrupt_handler *handler = handlers[frame->vector].handler;
        if (handler != NULL) {
            handler(frame, handlers[frame->vector].context);
        }
        return;
    }
    uint64_t address = frame->vector == EXCEPTION_PAGE_FAULT ? x86_read_cr2() : 0;
    if (on_exception != NULL) {
        on_exception(frame, address);
        return;
    }
    for (;;) {
        x86_interrupts_disable();
        x86_halt();
    }
}

/* Whatever was interrupted keeps its vector registers: nothing that runs here uses any. */
void interrupt_dispatch(struct interrupt_frame *frame)
{
    bool vectors = memory_vectors;

    memory_vectors = false;
    dispatch(frame);
    memory_vectors = vectors;
}
