/*
 * Descriptor tables and the dispatch of interrupts (SDM 3A §6).
 *
 * Exceptions go to the one handler given to idt_set_exception_handler, the vectors from
 * IDT_FIRST_DEVICE_VECTOR up to those given to idt_set_handler. All run with interrupts
 * disabled on stacks of their own, with the SMAP window closed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define IDT_FIRST_DEVICE_VECTOR 32u

enum exception_vector {
    EXCEPTION_DIVIDE = 0,
    EXCEPTION_NMI = 2,
    EXCEPTION_INVALID_OPCODE = 6,
    EXCEPTION_DOUBLE_FAULT = 8,
    EXCEPTION_GENERAL_PROTECTION = 13,
    EXCEPTION_PAGE_FAULT = 14,
    EXCEPTION_MACHINE_CHECK = 18,
};

/* Page fault error code: SDM 3A §4.7. */
#define PAGE_FAULT_PRESENT_BIT (1u << 0)
#define PAGE_FAULT_WRITE_BIT   (1u << 1)
#define PAGE_FAULT_FETCH_BIT   (1u << 4)

/* As isr.S pushes it. */
struct interrupt_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
    uint64_t vector, error_code;
    uint64_t rip, cs, rflags, rsp, ss;
};

typedef void exception_handler(struct interrupt_frame *frame, uint64_t fault_address);
typedef void interrupt_handler(struct interrupt_frame *frame, void *context);

/* Loads GDT, TSS and IDT. Exceptions before a handler is set halt the machine. */
void idt_initialize(void);
void idt_set_exception_handler(exception_handler *handler);
/* Called for device vectors without a handler too (spurious); `context` is then NULL. */
void idt_set_handler(uint8_t vector, interrupt_handler *handler, void *context);
