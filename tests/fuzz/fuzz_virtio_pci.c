/*
 * A PCI bus whose configuration space and device registers the fuzzer edits: scanning,
 * opening and starting what seems to be a network card must end, and touch only windows
 * that were mapped (tests/unit/fake_pci.c aborts otherwise).
 */
#include <stdint.h>
#include <string.h>

#include "drivers/virtio_net.h"
#include "drivers/virtio_pci.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/unit/fake_machine.h"
#include "tests/unit/fake_pci.h"

static struct fuzz_input input;

static uint32_t take(unsigned bytes)
{
    return fuzz_take(&input, bytes);
}

/* Now and then a register reads as the fuzzer likes; in the end they behave as memory. */
static void on_read(uint64_t offset, unsigned bytes)
{
    if (input.bytes > 0 && take(1) < 32) {
        uint32_t value = take(bytes);
        memcpy(fake_pci_mmio + offset, &value, bytes);
    }
}

static void visit(const struct pci_device *pci)
{
    struct virtio_device *device;
    struct netdev *card;

    if (virtio_pci_open(pci, &device) == ERR_OK && virtio_net_open(device, &card) == ERR_OK) {
        card->ops->poll(card, 64);
        card->ops->arm(card);
        virtio_config_interrupt(device);
        card->ops->poll(card, 64);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input = (struct fuzz_input){data, size};
    fake_machine_reset();
    fake_pci_reset();
    for (uint8_t i = 0; i < 2; i++) {
        fake_pci_add_virtio(&fake_pci[i], i, i == 0 ? 0x1041 : 0x1000);
        fake_pci[i].bar_bytes[4] = take(1) < 128 ? 0x4000 : 0;
    }
    for (uint32_t edits = take(1) % 16; edits > 0; edits--) {
        uint32_t at = take(1);
        fake_pci[take(1) % 2].config[at] = (uint8_t)take(1);
    }
    memset(fake_pci_mmio, 0xff, 16);
    fake_pci_mmio[18] = 4;
    fake_pci_mmio[25] = 1;
    fake_pci_on_read = on_read;
    pci_scan(visit);
    return 0;
}
