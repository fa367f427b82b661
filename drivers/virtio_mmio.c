#include "drivers/virtio_mmio.h"

#include "drivers/virtio_config.h"
#include "kernel/base/fmt.h"
#include "kernel/cmdline.h"
#include "kernel/irq.h"
#include "kernel/log.h"
#include "kernel/x86/io.h"
#include "kernel/x86/paging.h"

/* virtio 1.2 §4.2.2 */
#define REG_MAGIC               0x000u
#define REG_VERSION             0x004u
#define REG_DEVICE_ID           0x008u
#define REG_DEVICE_FEATURES     0x010u
#define REG_DEVICE_FEATURES_SEL 0x014u
#define REG_DRIVER_FEATURES     0x020u
#define REG_DRIVER_FEATURES_SEL 0x024u
#define REG_QUEUE_SEL           0x030u
#define REG_QUEUE_SIZE_MAX      0x034u
#define REG_QUEUE_SIZE          0x038u
#define REG_QUEUE_READY         0x044u
#define REG_QUEUE_NOTIFY        0x050u
#define REG_INTERRUPT_STATUS    0x060u
#define REG_INTERRUPT_ACK       0x064u
#define REG_STATUS              0x070u
#define REG_QUEUE_DESC          0x080u
#define REG_QUEUE_DRIVER        0x090u
#define REG_QUEUE_DEVICE        0x0a0u
#define REG_CONFIG_GENERATION   0x0fcu
#define REG_CONFIG              0x100u

#define MAGIC          0x74726976u /* "virt" */
#define VERSION_MODERN 2u
#define VERSION_LEGACY 1u

/* virtio 1.2 §4.2.2, InterruptStatus */
#define INTERRUPT_CONFIG_BIT 2u

struct virtio_mmio {
    struct virtio_device device; /* first: transports get this pointer */
    struct mmio registers;
    struct mmio config;
    uint32_t config_bytes;
};

static struct virtio_mmio *of(struct virtio_device *device)
{
    void *self = device; /* its first member */

    return self;
}

static uint64_t read_features(struct virtio_device *device)
{
    return virtio_features_read(of(device)->registers, REG_DEVICE_FEATURES_SEL,
                                REG_DEVICE_FEATURES);
}

static void write_features(struct virtio_device *device, uint64_t features)
{
    virtio_features_write(of(device)->registers, REG_DRIVER_FEATURES_SEL, REG_DRIVER_FEATURES,
                          features);
}

static uint8_t read_status(struct virtio_device *device)
{
    return (uint8_t)mmio_read32(of(device)->registers, REG_STATUS);
}

static void write_status(struct virtio_device *device, uint8_t status)
{
    mmio_write32(of(device)->registers, REG_STATUS, status);
}

static uint32_t config_generation(struct virtio_device *device)
{
    return mmio_read32(of(device)->registers, REG_CONFIG_GENERATION);
}

static void config_read(struct virtio_device *device, uint32_t offset, void *data, uint32_t bytes)
{
    const struct virtio_mmio *self = of(device);

    virtio_config_window_read(self->config, self->config_bytes, offset, data, bytes);
}

static void config_write(struct virtio_device *device, uint32_t offset, const void *data,
                         uint32_t bytes)
{
    const struct virtio_mmio *self = of(device);

    virtio_config_window_write(self->config, self->config_bytes, offset, data, bytes);
}

static uint32_t queue_size_max(struct virtio_device *device, uint16_t queue)
{
    struct mmio registers = of(device)->registers;

    mmio_write32(registers, REG_QUEUE_SEL, queue);
    return mmio_read32(registers, REG_QUEUE_SIZE_MAX);
}

/* virtio 1.2 §4.2.3.2 */
static enum err queue_enable(struct virtio_device *device, uint16_t queue, uint16_t size,
                             const struct virtqueue_addresses *addresses)
{
    struct mmio registers = of(device)->registers;

    mmio_write32(registers, REG_QUEUE_SEL, queue);
    if (mmio_read32(registers, REG_QUEUE_READY) != 0) {
        return ERR_BUSY;
    }
    mmio_write32(registers, REG_QUEUE_SIZE, size);
    mmio_write64_halves(registers, REG_QUEUE_DESC, addresses->descriptors.value);
    mmio_write64_halves(registers, REG_QUEUE_DRIVER, addresses->available.value);
    mmio_write64_halves(registers, REG_QUEUE_DEVICE, addresses->used.value);
    mmio_write32(registers, REG_QUEUE_READY, 1);
    return ERR_OK;
}

static void notify(struct virtio_device *device, uint16_t queue)
{
    mmio_write32(of(device)->registers, REG_QUEUE_NOTIFY, queue);
}

static const struct virtio_transport mmio_transport = {
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

static void on_interrupt(void *context)
{
    const struct virtio_mmio *self = context;
    uint32_t why = mmio_read32(self->registers, REG_INTERRUPT_STATUS);

    mmio_write32(self->registers, REG_INTERRUPT_ACK, why);
    if ((why & INTERRUPT_CONFIG_BIT) != 0) {
        virtio_config_interrupt(context);
    }
}

static enum err parse_size(const char **text, uint64_t *out)
{
    enum err error = parse_number(text, 1u << 20, out);

    if (error == ERR_OK && (**text == 'K' || **text == 'k')) {
        *out <<= 10;
        (*text)++;
    } else if (error == ERR_OK && (**text == 'M' || **text == 'm')) {
        *out <<= 20;
        (*text)++;
    }
    return error;
}

static bool parse_character(const char **text, char expected)
{
    bool there = **text == expected;

    *text += there ? 1 : 0;
    return there;
}

enum err virtio_mmio_parse(const char *text, struct virtio_mmio_window *out)
{
    uint64_t size;
    uint64_t address;
    uint64_t line;

    if (parse_size(&text, &size) != ERR_OK || !parse_character(&text, '@')) {
        return ERR_INVAL;
    }
    if (parse_number(&text, UINT64_MAX >> 12, &address) != ERR_OK || !parse_character(&text, ':')) {
        return ERR_INVAL;
    }
    if (parse_number(&text, UINT8_MAX, &line) != ERR_OK || (*text != '\0' && *text != ':')) {
        return ERR_INVAL;
    }
    if (size < REG_CONFIG || size > (1u << 20)) {
        return ERR_INVAL;
    }
    *out = (struct virtio_mmio_window){{address}, size, (uint16_t)line};
    return ERR_OK;
}

enum err virtio_mmio_open(const struct virtio_mmio_window *window, struct virtio_device **out)
{
    struct mmio registers;
    enum err error = mmio_map(window->address, window->size_bytes, &registers);

    if (error != ERR_OK) {
        return error;
    }
    if (mmio_read32(registers, REG_MAGIC) != MAGIC) {
        return ERR_NODEV;
    }
    uint32_t version = mmio_read32(registers, REG_VERSION);
    uint32_t type = mmio_read32(registers, REG_DEVICE_ID);
    if (type == 0) {
        return ERR_NODEV; /* virtio 1.2 §4.2.2: a placeholder. */
    }
    if (version != VERSION_MODERN) {
        log_error("virtio", "the virtio-mmio device at 0x%llx has version %u, not 2%s",
                  (unsigned long long)window->address.value, version,
                  version == VERSION_LEGACY
                      ? "; with QEMU add -global virtio-mmio.force-legacy=false"
                      : "");
        return ERR_NOTSUP;
    }
    struct virtio_mmio *self = heap_allocate_zeroed(1, sizeof(*self));
    if (self == NULL) {
        return ERR_NOMEM;
    }
    self->device.transport = &mmio_transport;
    self->device.type = type;
    self->registers = registers;
    self->config = (struct mmio){registers.base + REG_CONFIG};
    self->config_bytes = (uint32_t)(window->size_bytes - REG_CONFIG);
    fmt_format(self->device.name, sizeof(self->device.name), "virtio-%s @%llx",
               virtio_type_name(type), (unsigned long long)window->address.value);
    virtio_reset(&self->device);
    if (window->line <= UINT8_MAX &&
        irq_attach_line((uint8_t)window->line, on_interrupt, self) == ERR_OK) {
        self->device.has_interrupt = true;
    }
    *out = &self->device;
    return ERR_OK;
}
