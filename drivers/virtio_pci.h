/*
 * virtio over PCI, modern interface (virtio 1.2 §4.1). Boot time, normal kernel context.
 */
#pragma once

#include "drivers/pci.h"
#include "drivers/virtio.h"

/*
 * The virtio device behind a PCI function. ERR_NODEV when the function is not a virtio
 * device at all; other errors are logged. The device lives until power-off.
 */
enum err virtio_pci_open(const struct pci_device *pci, struct virtio_device **out) WARN_UNUSED;
