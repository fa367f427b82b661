#include "kernel/irq.h"

#include <stddef.h>

#include "kernel/irq_boot.h"
#include "kernel/mem.h"
#include "kernel/wait_boot.h"
#include "kernel/wasm_stack.h"
#include "kernel/x86/apic.h"
#include "kernel/x86/idt.h"
#include "kernel/x86/x86.h"

#define FIRST_VECTOR 0x30u
#define LAST_VECTOR  0xdfu
#define LINES_MAX    64u

/* Handlers that share a vector, newest first. */
struct shared_handler {
    irq_handler *handler;
    void *context;
    struct shared_handler *next;
};

static struct {
    uint8_t next_vector;
    uint8_t line_vectors[LINES_MAX];
    volatile uint32_t event_count;
} irq = {.next_vector = FIRST_VECTOR};

static struct shared_handler *handlers[256];

static void after_handlers(struct interrupt_frame *frame)
{
    irq.event_count = irq.event_count + 1;
    apic_end_of_interrupt();
    /* On the Wasm stack no kernel code is active: the pollers cannot meet themselves. */
    wait_after_interrupt(wasm_stack_contains(frame->rsp));
}

static void on_device(struct interrupt_frame *frame, void *context)
{
    (void)context;
    for (struct shared_handler *at = handlers[frame->vector]; at != NULL; at = at->next) {
        at->handler(at->context);
    }
    after_handlers(frame);
}

static void on_timer(struct interrupt_frame *frame, void *context)
{
    (void)context;
    wait_timer_fired(frame->rip, frame->rbp, wasm_stack_contains(frame->rsp));
    after_handlers(frame);
}

enum err irq_initialize(void)
{
    enum err error = apic_initialize();
    if (error == ERR_OK) {
        idt_set_handler(APIC_TIMER_VECTOR, on_timer, NULL);
        x86_interrupts_enable();
    }
    return error;
}

uint32_t irq_event_count(void)
{
    return irq.event_count;
}

static enum err add_handler(uint8_t vector, irq_handler *handler, void *context)
{
    struct shared_handler *added = heap_allocate(sizeof(*added));
    if (added == NULL) {
        return ERR_NOMEM;
    }
    *added = (struct shared_handler){handler, context, handlers[vector]};
    bool enabled = x86_interrupts_save();
    handlers[vector] = added;
    x86_interrupts_restore(enabled);
    return ERR_OK;
}

enum err irq_allocate(irq_handler *handler, void *context, uint8_t *out_vector)
{
    if (irq.next_vector > LAST_VECTOR) {
        return ERR_NOSPC;
    }
    uint8_t vector = irq.next_vector;
    enum err error = add_handler(vector, handler, context);
    if (error != ERR_OK) {
        return error;
    }
    idt_set_handler(vector, on_device, NULL);
    irq.next_vector++;
    *out_vector = vector;
    return ERR_OK;
}

uint64_t irq_message_address(uint8_t vector)
{
    (void)vector;
    return apic_message_address();
}

uint32_t irq_message_data(uint8_t vector)
{
    /* SDM 3A §11.11.2: edge-triggered, fixed delivery. */
    return vector;
}

enum err irq_attach_line(uint8_t line, irq_handler *handler, void *context)
{
    if (line >= LINES_MAX) {
        return ERR_INVAL;
    }
    if (irq.line_vectors[line] != 0) {
        return add_handler(irq.line_vectors[line], handler, context);
    }
    uint8_t vector;
    enum err error = irq_allocate(handler, context, &vector);
    if (error == ERR_OK) {
        error = ioapic_route(line, vector);
    }
    if (error == ERR_OK) {
        irq.line_vectors[line] = vector;
    }
    return error;
}
