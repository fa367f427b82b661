#include "drivers/pci.h"

#include "kernel/log.h"
#include "kernel/x86/paging.h"

#define CONFIG_ADDRESS_PORT 0xcf8
#define CONFIG_DATA_PORT    0xcfc
#define CONFIG_ENABLE_BIT   0x80000000u

/* PCI Local Bus 3.0 §6.1: the header. */
#define REG_VENDOR         0x00
#define REG_COMMAND        0x04
#define REG_STATUS         0x06
#define REG_HEADER_TYPE    0x0e
#define REG_BAR0           0x10
#define REG_SECONDARY_BUS  0x19
#define REG_SUBSYSTEM      0x2e
#define REG_CAPABILITIES   0x34
#define REG_INTERRUPT_LINE 0x3c
#define REG_INTERRUPT_PIN  0x3d

#define COMMAND_MEMORY_BIT       0x0002u
#define COMMAND_MASTER_BIT       0x0004u
#define COMMAND_INTX_DISABLE_BIT 0x0400u
#define STATUS_CAPABILITIES_BIT  0x0010u

#define HEADER_TYPE_MASK          0x7fu
#define HEADER_TYPE_DEVICE        0u
#define HEADER_TYPE_BRIDGE        1u
#define HEADER_MULTI_FUNCTION_BIT 0x80u

#define BAR_COUNT       6u
#define BAR_IO_BIT      0x1u
#define BAR_64_BIT_MASK 0x6u
#define BAR_64_BIT      0x4u
#define BAR_FLAGS_MASK  0xfu

#define CAPABILITY_MSIX 0x11

/* PCI Local Bus 3.0 §6.8.2 */
#define MSIX_CONTROL        2u
#define MSIX_TABLE          4u
#define MSIX_ENABLE_BIT     0x8000u
#define MSIX_MASK_ALL_BIT   0x4000u
#define MSIX_SIZE_MASK      0x07ffu
#define MSIX_ENTRY_BYTES    16u
#define MSIX_ENTRY_ADDRESS  0u
#define MSIX_ENTRY_DATA     8u
#define MSIX_ENTRY_CONTROL  12u
#define MSIX_ENTRY_UNMASKED 0u
#define MSIX_VECTORS_MAX    8u

/*
 * Where BARs go that the firmware left without an address (qboot does): below the
 * firmware's own window and the APICs, above RAM on every machine type of QEMU.
 */
#define ASSIGN_BASE  0xf0000000ull
#define ASSIGN_LIMIT 0xfc000000ull

/* More than any device here needs; keeps sums of offsets and lengths small. */
#define WINDOW_BYTES_MAX (64ull << 20)

static uint64_t assign_next = ASSIGN_BASE;

static void select(const struct pci_device *device, uint8_t offset)
{
    uint32_t address = CONFIG_ENABLE_BIT | (uint32_t)device->bus << 16 |
                       (uint32_t)device->slot << 11 | (uint32_t)device->function << 8 |
                       (offset & 0xfcu);
    io_write32(CONFIG_ADDRESS_PORT, address);
}

uint32_t pci_read32(const struct pci_device *device, uint8_t offset)
{
    select(device, offset);
    return io_read32(CONFIG_DATA_PORT);
}

uint16_t pci_read16(const struct pci_device *device, uint8_t offset)
{
    return (uint16_t)(pci_read32(device, offset) >> ((offset & 2u) * 8u));
}

uint8_t pci_read8(const struct pci_device *device, uint8_t offset)
{
    return (uint8_t)(pci_read32(device, offset) >> ((offset & 3u) * 8u));
}

void pci_write32(const struct pci_device *device, uint8_t offset, uint32_t value)
{
    select(device, offset);
    io_write32(CONFIG_DATA_PORT, value);
}

void pci_write16(const struct pci_device *device, uint8_t offset, uint16_t value)
{
    select(device, offset);
    io_write16((uint16_t)(CONFIG_DATA_PORT + (offset & 2u)), value);
}

static bool function_probe(struct pci_device *device)
{
    uint32_t id = pci_read32(device, REG_VENDOR);

    device->vendor_id = (uint16_t)id;
    device->device_id = (uint16_t)(id >> 16);
    if (device->vendor_id == 0xffff || device->vendor_id == 0) {
        return false;
    }
    device->subsystem_id = pci_read16(device, REG_SUBSYSTEM);
    return true;
}

/* Visits a bus and queues the buses behind its bridges in `pending`. */
static uint32_t scan_bus(uint8_t bus, bool pending[256], void (*visit)(const struct pci_device *))
{
    uint32_t found = 0;

    for (uint8_t slot = 0; slot < 32; slot++) {
        uint8_t functions = 1;
        for (uint8_t function = 0; function < functions; function++) {
            struct pci_device device = {.bus = bus, .slot = slot, .function = function};
            if (!function_probe(&device)) {
                continue;
            }
            uint8_t header = pci_read8(&device, REG_HEADER_TYPE);
            if (function == 0 && (header & HEADER_MULTI_FUNCTION_BIT) != 0) {
                functions = 8;
            }
            if ((header & HEADER_TYPE_MASK) == HEADER_TYPE_BRIDGE) {
                pending[pci_read8(&device, REG_SECONDARY_BUS)] = true;
            } else if ((header & HEADER_TYPE_MASK) == HEADER_TYPE_DEVICE) {
                visit(&device);
            }
            found++;
        }
    }
    return found;
}

/* Each bus is scanned at most once, whatever numbers the bridges claim. */
uint32_t pci_scan(void (*visit)(const struct pci_device *device))
{
    bool pending[256] = {[0] = true};
    bool done[256] = {false};
    uint32_t found = 0;
    bool again = true;

    while (again) {
        again = false;
        for (uint32_t bus = 0; bus < 256; bus++) {
            if (pending[bus] && !done[bus]) {
                done[bus] = true;
                again = true;
                found += scan_bus((uint8_t)bus, pending, visit);
            }
        }
    }
    return found;
}

/* PCI Local Bus 3.0 §6.7: at most 48 capabilities fit, so a longer list is a loop. */
uint8_t pci_find_capability(const struct pci_device *device, uint8_t id, uint8_t previous)
{
    uint8_t offset;

    if (previous != 0) {
        offset = pci_read8(device, (uint8_t)(previous + 1));
    } else if ((pci_read16(device, REG_STATUS) & STATUS_CAPABILITIES_BIT) != 0) {
        offset = pci_read8(device, REG_CAPABILITIES);
    } else {
        return 0;
    }
    for (uint32_t i = 0; i < 48; i++) {
        offset &= 0xfc;
        if (offset < 0x40) {
            return 0;
        }
        if (pci_read8(device, offset) == id) {
            return offset;
        }
        offset = pci_read8(device, (uint8_t)(offset + 1));
    }
    return 0;
}

struct bar {
    uint64_t address;
    uint8_t index;
    bool is_64_bit;
};

static uint8_t bar_register(const struct bar *bar)
{
    return (uint8_t)(REG_BAR0 + 4u * bar->index);
}

static enum err bar_read(const struct pci_device *device, uint8_t index, struct bar *out)
{
    *out = (struct bar){.index = index};
    uint32_t low = index < BAR_COUNT ? pci_read32(device, bar_register(out)) : BAR_IO_BIT;

    if ((low & BAR_IO_BIT) != 0) {
        return ERR_NODEV;
    }
    out->address = low & ~BAR_FLAGS_MASK;
    out->is_64_bit = (low & BAR_64_BIT_MASK) == BAR_64_BIT;
    if (out->is_64_bit) {
        if (index + 1u >= BAR_COUNT) {
            return ERR_NODEV;
        }
        out->address |= (uint64_t)pci_read32(device, (uint8_t)(bar_register(out) + 4u)) << 32;
    }
    return ERR_OK;
}

/*
 * Gives an address to a BAR that has none, by its size: the address bits that stay zero
 * (PCI Local Bus 3.0 §6.2.5.1). The function must not answer at the address that the
 * probe writes. Only here is a size asked for: it costs a hypervisor milliseconds.
 */
static enum err bar_assign(const struct pci_device *device, struct bar *bar)
{
    uint8_t offset = bar_register(bar);
    uint16_t command = pci_read16(device, REG_COMMAND);

    pci_write16(device, REG_COMMAND, (uint16_t)(command & ~COMMAND_MEMORY_BIT));
    pci_write32(device, offset, ~0u);
    uint64_t size = ~(pci_read32(device, offset) & ~BAR_FLAGS_MASK) + 1u;
    uint64_t address = (assign_next + size - 1) & ~(size - 1);
    bool fits = device->bus == 0 && size != 0 && size <= ASSIGN_LIMIT - ASSIGN_BASE &&
                address <= ASSIGN_LIMIT - size;
    if (fits) {
        assign_next = address + size;
        bar->address = address;
    }
    pci_write32(device, offset, (uint32_t)bar->address);
    if (bar->is_64_bit) {
        pci_write32(device, (uint8_t)(offset + 4u), 0);
    }
    pci_write16(device, REG_COMMAND, command);
    return fits ? ERR_OK : ERR_NODEV;
}

enum err pci_map_bar(const struct pci_device *device, uint8_t index, uint64_t offset,
                     uint64_t length_bytes, struct mmio *out)
{
    struct bar bar;
    enum err error = bar_read(device, index, &bar);

    if (error == ERR_OK && bar.address == 0) {
        error = bar_assign(device, &bar);
    }
    if (error != ERR_OK) {
        return error;
    }
    if (length_bytes > WINDOW_BYTES_MAX || offset > WINDOW_BYTES_MAX) {
        return ERR_RANGE;
    }
    return mmio_map((struct phys_addr){bar.address + offset}, length_bytes, out);
}

void pci_enable(const struct pci_device *device)
{
    uint16_t command = pci_read16(device, REG_COMMAND);

    command = (uint16_t)(command | COMMAND_MEMORY_BIT | COMMAND_MASTER_BIT);
    pci_write16(device, REG_COMMAND, command);
}

static void msix_entry_write(struct mmio table, uint16_t entry, uint8_t vector)
{
    uint64_t offset = (uint64_t)entry * MSIX_ENTRY_BYTES;

    mmio_write64_halves(table, offset + MSIX_ENTRY_ADDRESS, irq_message_address(vector));
    mmio_write32(table, offset + MSIX_ENTRY_DATA, irq_message_data(vector));
    mmio_write32(table, offset + MSIX_ENTRY_CONTROL, MSIX_ENTRY_UNMASKED);
}

enum err pci_msix_enable(const struct pci_device *device, irq_handler *const *handlers,
                         uint16_t count, void *context)
{
    uint8_t capability = pci_find_capability(device, CAPABILITY_MSIX, 0);
    uint8_t vectors[MSIX_VECTORS_MAX];
    struct mmio table;

    if (capability == 0 || capability > 0xf4 || count > MSIX_VECTORS_MAX) {
        return ERR_NODEV;
    }
    uint8_t control_offset = (uint8_t)(capability + MSIX_CONTROL);
    uint16_t control = pci_read16(device, control_offset);
    uint32_t entries = (control & MSIX_SIZE_MASK) + 1u;
    uint32_t where = pci_read32(device, (uint8_t)(capability + MSIX_TABLE));
    if (entries < count) {
        return ERR_NODEV;
    }
    enum err error = pci_map_bar(device, (uint8_t)(where & 7u), where & ~7u,
                                 (uint64_t)entries * MSIX_ENTRY_BYTES, &table);
    for (uint16_t i = 0; i < count && error == ERR_OK; i++) {
        error = irq_allocate(handlers[i], context, &vectors[i]);
    }
    if (error != ERR_OK) {
        return error;
    }
    /* The table is memory behind a BAR: the function has to answer before it is written. */
    pci_enable(device);
    pci_write16(device, control_offset, (uint16_t)(control | MSIX_ENABLE_BIT | MSIX_MASK_ALL_BIT));
    for (uint16_t i = 0; i < count; i++) {
        msix_entry_write(table, i, vectors[i]);
    }
    uint16_t command = pci_read16(device, REG_COMMAND);
    pci_write16(device, REG_COMMAND, (uint16_t)(command | COMMAND_INTX_DISABLE_BIT));
    control = (uint16_t)((control | MSIX_ENABLE_BIT) & ~MSIX_MASK_ALL_BIT);
    pci_write16(device, control_offset, control);
    return ERR_OK;
}

uint8_t pci_interrupt_line(const struct pci_device *device)
{
    if (pci_read8(device, REG_INTERRUPT_PIN) == 0) {
        return 0xff;
    }
    return pci_read8(device, REG_INTERRUPT_LINE);
}
