/*
 * The PCI bus through configuration mechanism 1 (PCI Local Bus 3.0 §3.2.2.3.2).
 *
 * Finds functions, hands out their memory BARs as device registers, and sets up MSI-X.
 * Everything read from configuration space is checked before it is used. Boot time
 * only, normal kernel context; nothing here is freed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kernel/base/err.h"
#include "kernel/irq.h"
#include "kernel/x86/io.h"

struct pci_device {
    uint8_t bus;
    uint8_t slot;
    uint8_t function;
    uint16_t vendor_id;
    uint16_t device_id;
    uint16_t subsystem_id;
};

/* Calls visit for every function behind every bridge. Returns how many there are. */
uint32_t pci_scan(void (*visit)(const struct pci_device *device));

uint8_t pci_read8(const struct pci_device *device, uint8_t offset);
uint16_t pci_read16(const struct pci_device *device, uint8_t offset);
uint32_t pci_read32(const struct pci_device *device, uint8_t offset);
void pci_write16(const struct pci_device *device, uint8_t offset, uint16_t value);
void pci_write32(const struct pci_device *device, uint8_t offset, uint32_t value);

/*
 * The offset of the next capability `id` after `previous` (0: the first); 0 when there
 * is none. Bounded even when the list is a loop.
 */
uint8_t pci_find_capability(const struct pci_device *device, uint8_t id, uint8_t previous);

/*
 * Maps length_bytes at `offset` of a memory BAR, which gets an address first where the
 * firmware gave it none. ERR_RANGE for an absurd window; ERR_NODEV when the BAR is absent, an I/O
 * BAR or cannot get an address.
 */
enum err pci_map_bar(const struct pci_device *device, uint8_t bar, uint64_t offset,
                     uint64_t length_bytes, struct mmio *out) WARN_UNUSED;

/* Lets the function answer memory accesses and reach memory itself. */
void pci_enable(const struct pci_device *device);

/*
 * Masks the legacy interrupt and gives MSI-X entries 0 .. count-1 to the handlers, all
 * with the same context. ERR_NODEV without MSI-X or with too small a table.
 */
enum err pci_msix_enable(const struct pci_device *device, irq_handler *const *handlers,
                         uint16_t count, void *context) WARN_UNUSED;

/* The legacy interrupt line that the firmware routed, or 0xff. */
uint8_t pci_interrupt_line(const struct pci_device *device);
