#include "tests/unit/fake_pci.h"

#include <stdlib.h>
#include <string.h>

#include "kernel/irq.h"
#include "kernel/x86/paging.h"

struct fake_pci_function fake_pci[FAKE_PCI_FUNCTIONS];
uint8_t fake_pci_mmio[FAKE_PCI_MMIO_BYTES];
unsigned fake_pci_reads;
unsigned fake_pci_vectors;
void (*fake_pci_on_read)(uint64_t offset, unsigned bytes);
void (*fake_pci_on_write)(uint64_t offset, unsigned bytes);

static uint32_t address;

void fake_pci_reset(void)
{
    memset(fake_pci, 0, sizeof(fake_pci));
    memset(fake_pci_mmio, 0, sizeof(fake_pci_mmio));
    fake_pci_reads = 0;
    fake_pci_vectors = 0;
    fake_pci_on_read = NULL;
    fake_pci_on_write = NULL;
}

static struct fake_pci_function *selected(void)
{
    for (unsigned i = 0; i < FAKE_PCI_FUNCTIONS; i++) {
        struct fake_pci_function *at = &fake_pci[i];
        if (at->present && at->bus == (address >> 16 & 0xff) && at->slot == (address >> 11 & 31) &&
            at->function == (address >> 8 & 7)) {
            return at;
        }
    }
    return NULL;
}

void io_write32(uint16_t port, uint32_t value)
{
    struct fake_pci_function *function;
    uint32_t offset = address & 0xfc;

    if (port == 0xcf8) {
        address = value;
        return;
    }
    if ((function = selected()) == NULL) {
        return;
    }
    if (offset >= 0x10 && offset < 0x28 && function->bar_bytes[(offset - 0x10) / 4] != 0) {
        uint32_t flags = function->config[offset] & 0xfu;
        value = (value & ~(function->bar_bytes[(offset - 0x10) / 4] - 1)) | flags;
    }
    memcpy(function->config + offset, &value, sizeof(value));
}

void io_write16(uint16_t port, uint16_t value)
{
    struct fake_pci_function *function = selected();

    if (function != NULL) {
        memcpy(function->config + (address & 0xfc) + (port & 2), &value, sizeof(value));
    }
}

uint32_t io_read32(uint16_t port)
{
    const struct fake_pci_function *function = selected();
    uint32_t value = ~0u;

    (void)port;
    fake_pci_reads++;
    if (function != NULL) {
        memcpy(&value, function->config + (address & 0xfc), sizeof(value));
    }
    return value;
}

enum err mmio_map(struct phys_addr where, uint64_t size_bytes, struct mmio *out)
{
    uint64_t offset = where.value - FAKE_PCI_MMIO_BASE;

    if (where.value < FAKE_PCI_MMIO_BASE) {
        offset = 0; /* anywhere else is the same memory */
    }
    offset %= FAKE_PCI_MMIO_BYTES;
    if (size_bytes > FAKE_PCI_MMIO_BYTES - offset) {
        return ERR_INVAL;
    }
    out->base = fake_pci_mmio + offset;
    return ERR_OK;
}

/* Every access must lie inside the memory, whatever the device said. */
static uint8_t *access(struct mmio window, uint64_t offset, unsigned bytes, bool read)
{
    uint64_t at = (uint64_t)(window.base - fake_pci_mmio) + offset;

    if (at > FAKE_PCI_MMIO_BYTES - bytes) {
        abort();
    }
    if (read && fake_pci_on_read != NULL) {
        fake_pci_on_read(at, bytes);
    }
    return fake_pci_mmio + at;
}

uint8_t mmio_read8(struct mmio window, uint64_t offset)
{
    return *access(window, offset, 1, true);
}

uint16_t mmio_read16(struct mmio window, uint64_t offset)
{
    uint16_t value;

    memcpy(&value, access(window, offset, sizeof(value), true), sizeof(value));
    return value;
}

uint32_t mmio_read32(struct mmio window, uint64_t offset)
{
    uint32_t value;

    memcpy(&value, access(window, offset, sizeof(value), true), sizeof(value));
    return value;
}

static void store(struct mmio window, uint64_t offset, const void *value, unsigned bytes)
{
    uint8_t *to = access(window, offset, bytes, false);

    memcpy(to, value, bytes);
    if (fake_pci_on_write != NULL) {
        fake_pci_on_write((uint64_t)(to - fake_pci_mmio), bytes);
    }
}

void mmio_write8(struct mmio window, uint64_t offset, uint8_t value)
{
    store(window, offset, &value, sizeof(value));
}

void mmio_write16(struct mmio window, uint64_t offset, uint16_t value)
{
    store(window, offset, &value, sizeof(value));
}

void mmio_write32(struct mmio window, uint64_t offset, uint32_t value)
{
    store(window, offset, &value, sizeof(value));
}

enum err irq_allocate(irq_handler *handler, void *context, uint8_t *out_vector)
{
    (void)handler;
    (void)context;
    *out_vector = (uint8_t)(0x30 + fake_pci_vectors++);
    return ERR_OK;
}

uint64_t irq_message_address(uint8_t vector)
{
    (void)vector;
    return 0xfee00000;
}

uint32_t irq_message_data(uint8_t vector)
{
    return vector;
}

static void put32(struct fake_pci_function *function, uint8_t at, uint32_t value)
{
    memcpy(function->config + at, &value, sizeof(value));
}

static void capability(struct fake_pci_function *function, uint8_t at, uint8_t next, uint8_t type,
                       uint32_t offset)
{
    const uint8_t head[8] = {9, next, 16, type, 4};

    memcpy(function->config + at, head, sizeof(head));
    put32(function, (uint8_t)(at + 8), offset);
    put32(function, (uint8_t)(at + 12), 0x1000);
    if (type == 2) {
        put32(function, (uint8_t)(at + 16), 4);
    }
}

void fake_pci_add_virtio(struct fake_pci_function *function, uint8_t slot, uint16_t device_id)
{
    *function = (struct fake_pci_function){.present = true, .slot = slot};
    put32(function, 0x00, 0x1af4u | (uint32_t)device_id << 16);
    function->config[0x06] = 0x10;
    put32(function, 0x14, 0xe0008000);
    put32(function, 0x20, 0xe000000c);
    function->config[0x2e] = 1;
    function->config[0x34] = 0x98;
    function->config[0x3c] = 11;
    function->config[0x3d] = 1;
    /* MSI-X with four vectors in BAR 1. */
    put32(function, 0x98, 0x11u | 0x84u << 8 | 3u << 16);
    put32(function, 0x9c, 1);
    capability(function, 0x84, 0x70, 5, 0);
    capability(function, 0x70, 0x60, 2, 0x3000);
    capability(function, 0x60, 0x50, 4, 0x2000);
    capability(function, 0x50, 0x40, 3, 0x1000);
    capability(function, 0x40, 0x00, 1, 0);
}
