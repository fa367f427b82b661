/*
 * Interrupt vectors for devices. Handlers run with interrupts disabled, on the
 * interrupt stack, and may only set flags (volatile or atomic) and acknowledge
 * their device. After any handler ran, a halted wait_once returns.
 */
#pragma once

#include <stdint.h>

#include "kernel/base/err.h"

typedef void irq_handler(void *context);

/* A free vector for MSI/MSI-X; message address and data for the device follow. */
enum err irq_allocate(irq_handler *handler, void *context, uint8_t *out_vector) WARN_UNUSED;
uint64_t irq_message_address(uint8_t vector);
uint32_t irq_message_data(uint8_t vector);
/* Routes a legacy line (I/O APIC input or PIC line) to a new, shareable handler. */
enum err irq_attach_line(uint8_t line, irq_handler *handler, void *context) WARN_UNUSED;
