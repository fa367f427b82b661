/*
 * The ways to end a machine, tried in turn. Any context.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* How ACPI enters S5 here (ACPI 6.5 §4.8.3.2, §4.8.3.7); 0: not available. */
struct power_acpi {
    uint16_t pm1a_control_port;
    uint16_t pm1b_control_port;
    uint8_t sleep_type_a;
    uint8_t sleep_type_b;
    /* Hardware-reduced machines (QEMU microvm, Cloud Hypervisor). */
    bool sleep_control_is_port;
    uint64_t sleep_control_address;
};

/* QEMU's isa-debug-exit at port 0x501: the process ends with (code << 1 | 1) mod 256. */
void power_debug_exit(uint32_t code);
/* ACPI, the fixed ports of known VMMs, the keyboard controller, a triple fault; then halts. */
_Noreturn void power_off(const struct power_acpi *acpi);
