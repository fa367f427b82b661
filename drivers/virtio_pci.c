#include "drivers/virtio_pci.h"

#include "drivers/virtio_config.h"
#include "kernel/base/fmt.h"
#include "kernel/log.h"
#include "kernel/mem.h"

/* virtio 1.2 §4.1.2 */
#define VIRTIO_VENDOR            0x1af4
#define DEVICE_TRANSITIONAL_BASE 0x1000
#define DEVICE_MODERN_BASE       0x1040
#define DEVICE_LAST              0x107f

/* virtio 1.2 §4.1.4 */
#define CAPABILITY_VENDOR     0x09
#define CAPABILITY_TYPE       3u
#define CAPABILITY_BAR        4u
#define CAPABILITY_OFFSET     8u
#define CAPABILITY_LENGTH     12u
#define CAPABILITY_MULTIPLIER 16u
#define CAPABILITY_LAST       (256u - 20u)
#define CAPABILITY_COMMON_CFG 1u
#define CAPABILITY_NOTIFY_CFG 2u
#define CAPABILITY_ISR_CFG    3u
#define CAPABILITY_DEVICE_CFG 4u

/* virtio 1.2 §4.1.4.3: struct virtio_pci_common_cfg */
#define COMMON_DEVICE_FEATURE_SELECT 0u
#define COMMON_DEVICE_FEATURE        4u
#define COMMON_DRIVER_FEATURE_SELECT 8u
#define COMMON_DRIVER_FEATURE        12u
#define COMMON_CONFIG_VECTOR         16u
#define COMMON_QUEUE_COUNT           18u
#define COMMON_STATUS                20u
#define COMMON_GENERATION            21u
#define COMMON_QUEUE_SELECT          22u
#define COMMON_QUEUE_SIZE            24u
#define COMMON_QUEUE_VECTOR          26u
#define COMMON_QUEUE_ENABLE          28u
#define COMMON_QUEUE_NOTIFY_OFFSET   30u
#define COMMON_QUEUE_DESC            32u
#define COMMON_QUEUE_DRIVER          40u
#define COMMON_QUEUE_DEVICE          48u
#define COMMON_BYTES                 56u

#define NO_VECTOR     0xffffu
#define VECTOR_QUEUES 0u
#define VECTOR_CONFIG 1u

/* virtio 1.2 §4.1.4.5 */
#define ISR_CONFIG_BIT 2u

struct virtio_pci {
    struct virtio_device device; /* first: transports get this pointer */
    struct pci_device pci;
    struct mmio common;
    struct mmio isr;
    struct mmio config;
    uint32_t config_bytes;
    struct mmio notify;
    uint32_t notify_bytes;
    uint32_t notify_multiplier;
    struct mmio queue_notify[VIRTIO_QUEUES_MAX];
    bool uses_msix;
};

static struct virtio_pci *of(struct virtio_device *device)
{
    void *self = device; /* its first member */

    return self;
}

static uint64_t read_features(struct virtio_device *device)
{
    return virtio_features_read(of(device)->common, COMMON_DEVICE_FEATURE_SELECT,
                                COMMON_DEVICE_FEATURE);
}

static void write_features(struct virtio_device *device, uint64_t features)
{
    virtio_features_write(of(device)->common, COMMON_DRIVER_FEATURE_SELECT, COMMON_DRIVER_FEATURE,
                          features);
}

static uint8_t read_status(struct virtio_device *device)
{
    return mmio_read8(of(device)->common, COMMON_STATUS);
}

static void write_status(struct virtio_device *device, uint8_t status)
{
    mmio_write8(of(device)->common, COMMON_STATUS, status);
}

static uint32_t config_generation(struct virtio_device *device)
{
    return mmio_read8(of(device)->common, COMMON_GENERATION);
}

static void config_read(struct virtio_device *device, uint32_t offset, void *data, uint32_t bytes)
{
    const struct virtio_pci *self = of(device);

    virtio_config_window_read(self->config, self->config_bytes, offset, data, bytes);
}

static void config_write(struct virtio_device *device, uint32_t offset, const void *data,
                         uint32_t bytes)
{
    const struct virtio_pci *self = of(device);

    virtio_config_window_write(self->config, self->config_bytes, offset, data, bytes);
}

static uint32_t queue_size_max(struct virtio_device *device, uint16_t queue)
{
    struct mmio common = of(device)->common;

    if (queue >= VIRTIO_QUEUES_MAX || queue >= mmio_read16(common, COMMON_QUEUE_COUNT)) {
        return 0;
    }
    mmio_write16(common, COMMON_QUEUE_SELECT, queue);
    return mmio_read16(common, COMMON_QUEUE_SIZE);
}

/* virtio 1.2 §4.1.5.1.2: a device that cannot use a vector reads back NO_VECTOR. */
static enum err set_vector(struct mmio common, uint32_t offset, uint16_t vector)
{
    mmio_write16(common, offset, vector);
    return mmio_read16(common, offset) == vector ? ERR_OK : ERR_NXIO;
}

/* virtio 1.2 §4.1.5.1.3 */
static enum err queue_enable(struct virtio_device *device, uint16_t queue, uint16_t size,
                             const struct virtqueue_addresses *addresses)
{
    struct virtio_pci *self = of(device);
    struct mmio common = self->common;

    mmio_write16(common, COMMON_QUEUE_SELECT, queue);
    uint64_t notify_at =
        (uint64_t)mmio_read16(common, COMMON_QUEUE_NOTIFY_OFFSET) * self->notify_multiplier;
    if (self->notify_bytes < 2 || notify_at > self->notify_bytes - 2) {
        log_error("virtio", "%s has the doorbell of queue %u outside its window", device->name,
                  queue);
        return ERR_PROTO;
    }
    self->queue_notify[queue] = (struct mmio){self->notify.base + notify_at};

    mmio_write16(common, COMMON_QUEUE_SIZE, size);
    mmio_write64_halves(common, COMMON_QUEUE_DESC, addresses->descriptors.value);
    mmio_write64_halves(common, COMMON_QUEUE_DRIVER, addresses->available.value);
    mmio_write64_halves(common, COMMON_QUEUE_DEVICE, addresses->used.value);
    if (self->uses_msix) {
        enum err error = set_vector(common, COMMON_CONFIG_VECTOR, VECTOR_CONFIG);
        if (error == ERR_OK) {
            error = set_vector(common, COMMON_QUEUE_VECTOR, VECTOR_QUEUES);
        }
        if (error != ERR_OK) {
            log_error("virtio", "%s does not accept its interrupt vectors", device->name);
            return error;
        }
    }
    mmio_write16(common, COMMON_QUEUE_ENABLE, 1);
    return ERR_OK;
}

static void notify(struct virtio_device *device, uint16_t queue)
{
    mmio_write16(of(device)->queue_notify[queue], 0, queue);
}

static const struct virtio_transport pci_transport = {
    .read_features = read_features,
    .write_features = write_features,
    .read_status = read_status,
    .write_status = write_status,
    .config_generation = config_generation,
    .config_read = config_read,
    .config_write = config_write,
    .queue_size_max = queue_size_max,
    .queue_enable = queue_enable,
    .notify = notify,
};

/* That it came is all there is to know: it ends a halt, and the pollers look at the rings. */
static void on_queues(void *context)
{
    (void)context;
}

static void on_config(void *context)
{
    virtio_config_interrupt(context);
}

/* Reading the register lowers the line (virtio 1.2 §4.1.4.5). */
static void on_line(void *context)
{
    const struct virtio_pci *self = context;

    if ((mmio_read8(self->isr, 0) & ISR_CONFIG_BIT) != 0) {
        virtio_config_interrupt(context);
    }
}

static void interrupts_connect(struct virtio_pci *self)
{
    static irq_handler *const handlers[] = {
        [VECTOR_QUEUES] = on_queues,
        [VECTOR_CONFIG] = on_config,
    };

    if (pci_msix_enable(&self->pci, handlers, 2, self) == ERR_OK) {
        self->uses_msix = true;
        self->device.has_interrupt = true;
        return;
    }
    uint8_t line = pci_interrupt_line(&self->pci);
    if (line != 0xff && self->isr.base != NULL && irq_attach_line(line, on_line, self) == ERR_OK) {
        self->device.has_interrupt = true;
    }
}

/* Maps what one capability points at, unless one of its kind came before (§4.1.4). */
static enum err capability_use(struct virtio_pci *self, uint8_t at)
{
    const struct pci_device *pci = &self->pci;
    uint8_t type = pci_read8(pci, (uint8_t)(at + CAPABILITY_TYPE));
    uint8_t bar = pci_read8(pci, (uint8_t)(at + CAPABILITY_BAR));
    uint32_t offset = pci_read32(pci, (uint8_t)(at + CAPABILITY_OFFSET));
    uint32_t length = pci_read32(pci, (uint8_t)(at + CAPABILITY_LENGTH));
    struct mmio *window;

    switch (type) {
    case CAPABILITY_COMMON_CFG:
        window = &self->common;
        if (length < COMMON_BYTES) {
            return ERR_RANGE;
        }
        break;
    case CAPABILITY_NOTIFY_CFG:
        window = &self->notify;
        break;
    case CAPABILITY_ISR_CFG:
        window = &self->isr;
        break;
    case CAPABILITY_DEVICE_CFG:
        window = &self->config;
        break;
    default:
        return ERR_OK;
    }
    if (window->base != NULL || length == 0) {
        return ERR_OK;
    }
    if (type == CAPABILITY_NOTIFY_CFG) {
        self->notify_bytes = length;
        self->notify_multiplier = pci_read32(pci, (uint8_t)(at + CAPABILITY_MULTIPLIER));
    } else if (type == CAPABILITY_DEVICE_CFG) {
        self->config_bytes = length;
    }
    return pci_map_bar(pci, bar, offset, length, window);
}

static enum err capabilities_map(struct virtio_pci *self)
{
    uint8_t at = 0;

    for (uint32_t i = 0; i < 48; i++) {
        at = pci_find_capability(&self->pci, CAPABILITY_VENDOR, at);
        if (at == 0 || at > CAPABILITY_LAST) {
            break;
        }
        enum err error = capability_use(self, at);
        if (error != ERR_OK) {
            return error;
        }
    }
    if (self->common.base == NULL || self->notify.base == NULL) {
        return ERR_NOTSUP;
    }
    return ERR_OK;
}

/* A transitional device tells its type by the subsystem (virtio 1.2 §4.1.2.3). */
static uint32_t device_type(const struct pci_device *pci)
{
    if (pci->vendor_id != VIRTIO_VENDOR || pci->device_id < DEVICE_TRANSITIONAL_BASE ||
        pci->device_id > DEVICE_LAST) {
        return 0;
    }
    if (pci->device_id < DEVICE_MODERN_BASE) {
        return pci->subsystem_id;
    }
    return (uint32_t)pci->device_id - DEVICE_MODERN_BASE;
}

enum err virtio_pci_open(const struct pci_device *pci, struct virtio_device **out)
{
    uint32_t type = device_type(pci);

    if (type == 0) {
        return ERR_NODEV;
    }
    struct virtio_pci *self = heap_allocate_zeroed(1, sizeof(*self));
    if (self == NULL) {
        return ERR_NOMEM;
    }
    self->device.transport = &pci_transport;
    self->device.type = type;
    self->pci = *pci;
    fmt_format(self->device.name, sizeof(self->device.name), "virtio-%s %02x:%02x.%x",
               virtio_type_name(type), pci->bus, pci->slot, pci->function);
    enum err error = capabilities_map(self);
    if (error != ERR_OK) {
        log_error("virtio", "%s cannot be used: %s", self->device.name,
                  error == ERR_NOTSUP ? "it has only the legacy interface; with QEMU leave out "
                                        "disable-modern=on"
                                      : "its registers cannot be reached");
        heap_free(self);
        return error;
    }
    pci_enable(pci);
    virtio_reset(&self->device);
    interrupts_connect(self);
    *out = &self->device;
    return ERR_OK;
}
