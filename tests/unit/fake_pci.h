/*
 * A PCI bus in memory: configuration space of a few functions behind ports 0xcf8 and
 * 0xcfc, and device memory as plain bytes with an optional hook on each read.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define FAKE_PCI_FUNCTIONS  4u
#define FAKE_PCI_MMIO_BASE  0xe0000000ull
#define FAKE_PCI_MMIO_BYTES 65536u

struct fake_pci_function {
    bool present;
    uint8_t bus, slot, function;
    uint8_t config[256];
    uint32_t bar_bytes[6]; /* what answers to a size probe; 0: the register is plain */
};

extern struct fake_pci_function fake_pci[FAKE_PCI_FUNCTIONS];
extern uint8_t fake_pci_mmio[FAKE_PCI_MMIO_BYTES];
extern unsigned fake_pci_reads;
extern unsigned fake_pci_vectors;
/* Called before each read of device memory, when set. */
extern void (*fake_pci_on_read)(uint64_t offset, unsigned bytes);
/* Called after each write to device memory, when set. */
extern void (*fake_pci_on_write)(uint64_t offset, unsigned bytes);

void fake_pci_reset(void);
/* A virtio function with the capabilities of QEMU's; all windows in BAR 4. */
void fake_pci_add_virtio(struct fake_pci_function *function, uint8_t slot, uint16_t device_id);
