#include "kernel/x86/power.h"

#include <stddef.h>

#include "kernel/base/address.h"
#include "kernel/x86/io.h"
#include "kernel/x86/paging.h"
#include "kernel/x86/x86.h"

#define DEBUG_EXIT_PORT          0x501u
#define SLEEP_ENABLE_BIT         (1u << 13)
#define SLEEP_TYPE_SHIFT         10u
#define REDUCED_SLEEP_ENABLE_BIT (1u << 5)
#define REDUCED_SLEEP_TYPE_SHIFT 2u
/* QEMU pc and q35 without readable ACPI tables. */
#define QEMU_PM1A_CONTROL 0x604u
/* Cloud Hypervisor: vmm/src/lib.rs, AcpiShutdownDevice. */
#define CLOUD_HYPERVISOR_PORT     0x600u
#define CLOUD_HYPERVISOR_SHUTDOWN 0x34u
/* Intel 8042: pulse the reset line; Firecracker takes it as its shutdown. */
#define KEYBOARD_COMMAND 0x64u
#define KEYBOARD_RESET   0xfeu

void power_debug_exit(uint32_t code)
{
    io_write32(DEBUG_EXIT_PORT, code);
}

static void enter_s5(const struct power_acpi *acpi)
{
    if (acpi->sleep_control_address != 0) {
        uint8_t value = (uint8_t)(REDUCED_SLEEP_ENABLE_BIT | (uint32_t)acpi->sleep_type_a
                                                                 << REDUCED_SLEEP_TYPE_SHIFT);
        struct mmio window;
        if (acpi->sleep_control_is_port) {
            io_write8((uint16_t)acpi->sleep_control_address, value);
        } else if (mmio_map((struct phys_addr){acpi->sleep_control_address}, 1, &window) ==
                   ERR_OK) {
            mmio_write8(window, 0, value);
        }
    }
    if (acpi->pm1a_control_port != 0) {
        io_write16(acpi->pm1a_control_port,
                   (uint16_t)(SLEEP_ENABLE_BIT | (uint32_t)acpi->sleep_type_a << SLEEP_TYPE_SHIFT));
    }
    if (acpi->pm1b_control_port != 0) {
        io_write16(acpi->pm1b_control_port,
                   (uint16_t)(SLEEP_ENABLE_BIT | (uint32_t)acpi->sleep_type_b << SLEEP_TYPE_SHIFT));
    }
}

_Noreturn void power_off(const struct power_acpi *acpi)
{
    x86_interrupts_disable();
    if (acpi != NULL) {
        enter_s5(acpi);
    }
    io_write16(QEMU_PM1A_CONTROL, SLEEP_ENABLE_BIT);
    io_write8(CLOUD_HYPERVISOR_PORT, CLOUD_HYPERVISOR_SHUTDOWN);
    io_write8(KEYBOARD_COMMAND, KEYBOARD_RESET);
    /* SDM 3A §6.15: no handler for the fault, nor for the double fault: shutdown. */
    static const struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) no_idt = {0, 0};
    x86_load_idt(&no_idt);
    __builtin_trap();
    for (;;) {
        x86_halt();
    }
}
