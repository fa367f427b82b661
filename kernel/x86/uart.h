/*
 * COM1, a 16550 UART at port 0x3f8. Polled, no interrupt for output; input raises one.
 * Any context; a byte the device never accepts is dropped after a bounded wait.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UART_IRQ_LINE 4u

/* False when there is no UART. */
bool uart_initialize(void);
bool uart_is_present(void);
void uart_write(const void *data, size_t size_bytes);
bool uart_input_ready(void);
size_t uart_read(void *data, size_t size_bytes);
/* Whether input raises an interrupt on line UART_IRQ_LINE. */
void uart_enable_input_interrupt(bool enabled);
