/*
 * The local APIC and the I/O APIC (SDM 3A §11; Intel 82093AA).
 *
 * apic_initialize runs once at boot, after the time source. The legacy 8259s are masked.
 * Any context afterwards.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kernel/base/err.h"

#define APIC_TIMER_VECTOR    0xe0u
#define APIC_SPURIOUS_VECTOR 0xffu

/* ERR_NODEV without a local APIC. */
enum err apic_initialize(void) WARN_UNUSED;
void apic_end_of_interrupt(void);
/* One interrupt on APIC_TIMER_VECTOR when timesource_ns reaches `at_ns`; UINT64_MAX: none. */
void apic_timer_set(uint64_t at_ns);
/* An interrupt on this vector, once interrupts are on. Even in an NMI. */
void apic_interrupt_self(uint8_t vector);
/* Address that a message-signalled interrupt for this CPU is written to. */
uint64_t apic_message_address(void);

/* ERR_NODEV without an I/O APIC, ERR_INVAL beyond its inputs. */
enum err ioapic_route(uint8_t line, uint8_t vector) WARN_UNUSED;
