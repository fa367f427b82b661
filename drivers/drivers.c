#include "drivers/drivers.h"

#include "drivers/pci.h"
#include "drivers/virtio.h"
#include "drivers/virtio_9p.h"
#include "drivers/virtio_blk.h"
#include "drivers/virtio_console.h"
#include "drivers/virtio_mmio.h"
#include "drivers/virtio_net.h"
#include "drivers/virtio_pci.h"
#include "drivers/virtio_rng.h"
#include "kernel/clock.h"
#include "kernel/log.h"
#include "kernel/wait.h"

#define DEVICES_MAX      64u
#define MMIO_WINDOWS_MAX 32u
#define DISKS_MAX        8u
#define CHANNELS_MAX     16u

/*
 * QEMU's microvm has its devices in fixed slots (hw/i386/microvm.c) and lists them on the
 * command line only with acpi=off: then 8 slots from line 5. Otherwise 24 slots on the
 * second I/O APIC, whose lines start at 24.
 */
#define MICROVM_BASE       0xfeb00000ull
#define MICROVM_SLOT_BYTES 512u
#define MICROVM_SLOTS      24u
#define MICROVM_LINE       24u

/* How often devices without an interrupt are looked at. */
#define POLL_INTERVAL_NS 1000000ull

static struct {
    struct virtio_mmio_window windows[MMIO_WINDOWS_MAX];
    size_t window_count;
    struct virtio_device *devices[DEVICES_MAX];
    size_t device_count;
    struct netdev *network;
    struct blockdev *disks[DISKS_MAX];
    size_t disk_count;
    struct p9_channel *channels[CHANNELS_MAX];
    size_t channel_count;
} machine;

enum err drivers_add_mmio(const char *value)
{
    struct virtio_mmio_window window;
    enum err error = virtio_mmio_parse(value, &window);

    if (error != ERR_OK) {
        return error;
    }
    if (machine.window_count == MMIO_WINDOWS_MAX) {
        return ERR_NOSPC;
    }
    machine.windows[machine.window_count++] = window;
    return ERR_OK;
}

static void device_add(struct virtio_device *device)
{
    if (machine.device_count == DEVICES_MAX) {
        log_warning("drivers", "%s is one device too many", device->name);
        return;
    }
    machine.devices[machine.device_count++] = device;
    log_info("drivers", "%s%s", device->name,
             device->has_interrupt ? "" : " (no interrupt: polled)");
}

static void pci_visit(const struct pci_device *pci)
{
    struct virtio_device *device;

    log_debug("pci", "%02x:%02x.%x %04x:%04x", pci->bus, pci->slot, pci->function, pci->vendor_id,
              pci->device_id);
    if (virtio_pci_open(pci, &device) == ERR_OK) {
        device_add(device);
    }
}

static void window_open(const struct virtio_mmio_window *window)
{
    struct virtio_device *device;

    if (virtio_mmio_open(window, &device) == ERR_OK) {
        device_add(device);
    }
}

static void buses_scan(void)
{
    uint32_t pci_count = pci_scan(pci_visit);

    for (size_t i = 0; i < machine.window_count; i++) {
        window_open(&machine.windows[i]);
    }
    if (pci_count != 0 || machine.window_count != 0) {
        return;
    }
    for (uint16_t slot = 0; slot < MICROVM_SLOTS; slot++) {
        const struct virtio_mmio_window window = {
            .address = {MICROVM_BASE + (uint64_t)slot * MICROVM_SLOT_BYTES},
            .size_bytes = MICROVM_SLOT_BYTES,
            .line = (uint16_t)(MICROVM_LINE + slot),
        };
        window_open(&window);
    }
}

static void entropy_start(struct virtio_device *device)
{
    enum err error = virtio_rng_seed(device);

    if (error != ERR_OK) {
        log_warning("drivers", "%s gave no entropy (error %d)", device->name, (int)error);
    }
}

static void network_start(struct virtio_device *device)
{
    struct netdev *netdev;

    if (machine.network != NULL) {
        log_info("drivers", "%s is not used: one network card is", device->name);
    } else if (virtio_net_open(device, &netdev) == ERR_OK) {
        machine.network = netdev;
    }
}

static void console_start(struct virtio_device *device)
{
    if (virtio_console_open(device) == ERR_BUSY) {
        log_info("drivers", "%s is not used: one console is", device->name);
    }
}

static void disk_start(struct virtio_device *device)
{
    struct blockdev *disk;

    if (machine.disk_count == DISKS_MAX) {
        log_warning("drivers", "%s is one disk too many", device->name);
    } else if (virtio_blk_open(device, &disk) == ERR_OK) {
        machine.disks[machine.disk_count++] = disk;
    }
}

static void channel_start(struct virtio_device *device)
{
    struct p9_channel *channel;

    if (machine.channel_count == CHANNELS_MAX) {
        log_warning("drivers", "%s is one too many", device->name);
    } else if (virtio_9p_open(device, &channel) == ERR_OK) {
        machine.channels[machine.channel_count++] = channel;
    }
}

/* Drivers in the order in which they may need each other: entropy comes first. */
static const struct {
    uint32_t type;
    void (*start)(struct virtio_device *device);
} starters[] = {
    {VIRTIO_TYPE_ENTROPY, entropy_start}, {VIRTIO_TYPE_CONSOLE, console_start},
    {VIRTIO_TYPE_NETWORK, network_start}, {VIRTIO_TYPE_BLOCK, disk_start},
    {VIRTIO_TYPE_9P, channel_start},
};

/* Stands in for interrupts that could not be had: keeps sleeps short. */
static bool fallback_poll(void *context, uint64_t *next_deadline_ns)
{
    uint64_t deadline_ns = clock_monotonic_ns() + POLL_INTERVAL_NS;

    (void)context;
    if (deadline_ns < *next_deadline_ns) {
        *next_deadline_ns = deadline_ns;
    }
    return false;
}

static void fallback_register(void)
{
    static struct wait_poller poller = {.poll = fallback_poll};

    for (size_t i = 0; i < machine.device_count; i++) {
        if (!machine.devices[i]->has_interrupt) {
            wait_register(&poller);
            return;
        }
    }
}

void drivers_probe(void)
{
    buses_scan();
    for (size_t s = 0; s < sizeof(starters) / sizeof(starters[0]); s++) {
        for (size_t i = 0; i < machine.device_count; i++) {
            if (machine.devices[i]->type == starters[s].type) {
                starters[s].start(machine.devices[i]);
            }
        }
    }
    fallback_register();
}

struct netdev *drivers_network_device(void)
{
    return machine.network;
}

struct blockdev *drivers_block_device(size_t index)
{
    return index < machine.disk_count ? machine.disks[index] : NULL;
}

struct p9_channel *drivers_p9_channel(size_t index)
{
    return index < machine.channel_count ? machine.channels[index] : NULL;
}

void drivers_shutdown(void)
{
    virtio_console_drain();
    for (size_t i = 0; i < machine.device_count; i++) {
        struct virtio_device *device = machine.devices[i];
        /* The last line of the log may have to go through a console. */
        if (device->type != VIRTIO_TYPE_CONSOLE) {
            device->broken = true;
            device->transport->write_status(device, 0);
        }
    }
}
