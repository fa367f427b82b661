#include "drivers/virtio_blk.h"

#include "drivers/virtio_request.h"
#include "kernel/base/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"

#define REQUEST_QUEUE      0u
#define REQUEST_QUEUE_SIZE 16u

/* virtio 1.2 §5.2.3 */
#define VIRTIO_BLK_F_SIZE_MAX (1ull << 1)
#define VIRTIO_BLK_F_RO       (1ull << 5)
#define VIRTIO_BLK_F_BLK_SIZE (1ull << 6)
#define VIRTIO_BLK_F_FLUSH    (1ull << 9)
#define FEATURES                                                                                   \
    (VIRTIO_BLK_F_SIZE_MAX | VIRTIO_BLK_F_RO | VIRTIO_BLK_F_BLK_SIZE | VIRTIO_BLK_F_FLUSH)

/* virtio 1.2 §5.2.4 */
#define CONFIG_CAPACITY 0u
#define CONFIG_SIZE_MAX 8u
#define CONFIG_BLK_SIZE 20u

/* virtio 1.2 §5.2.6 */
#define REQUEST_IN     0u
#define REQUEST_OUT    1u
#define REQUEST_FLUSH  4u
#define REQUEST_GET_ID 8u

#define STATUS_OK          0u
#define STATUS_UNSUPPORTED 2u
#define STATUS_NONE        0xffu /* what a device that never wrote leaves behind */

#define TRANSFER_BYTES_MAX (1u << 20)
#define BLOCK_BYTES_MAX    65536u

struct request_header {
    uint32_t type;
    uint32_t reserved;
    uint64_t sector;
};
_Static_assert(sizeof(struct request_header) == 16, "virtio 1.2 §5.2.6");

struct virtio_blk {
    struct blockdev disk;
    struct virtio_device *device;
    struct virtqueue queue;
    uint32_t transfer_bytes_max;
    bool busy;
    /* What the device reads and writes besides the data. */
    struct request_header header;
    uint8_t status;
    char serial[BLOCKDEV_SERIAL_BYTES];
};

static enum err request(struct virtio_blk *self, uint32_t type, uint64_t sector, void *data,
                        uint32_t bytes)
{
    if (self->device->broken) {
        return ERR_IO;
    }
    if (self->busy) {
        return ERR_BUSY;
    }
    self->busy = true;
    self->header = (struct request_header){.type = type, .sector = sector};
    self->status = STATUS_NONE;
    struct virtio_segment segments[3] = {{&self->header, sizeof(self->header), false}};
    uint16_t count = 1;
    if (bytes != 0) {
        bool device_writes = type == REQUEST_IN || type == REQUEST_GET_ID;
        segments[count++] = (struct virtio_segment){data, bytes, device_writes};
    }
    segments[count++] = (struct virtio_segment){&self->status, sizeof(self->status), true};
    uint32_t written_bytes; /* the status says more */
    enum err error = virtio_request(self->device, &self->queue, segments, count, &written_bytes);
    self->busy = false;
    if (error != ERR_OK) {
        return error;
    }
    uint8_t status = __atomic_load_n(&self->status, __ATOMIC_RELAXED);
    if (status == STATUS_OK) {
        return ERR_OK;
    }
    return status == STATUS_UNSUPPORTED ? ERR_NOTSUP : ERR_IO;
}

static enum err transfer(struct virtio_blk *self, uint32_t type, uint64_t sector, uint8_t *data,
                         size_t sector_count)
{
    uint64_t end;

    if (__builtin_add_overflow(sector, sector_count, &end) || end > self->disk.sector_count) {
        return ERR_RANGE;
    }
    size_t chunk_max = self->transfer_bytes_max / BLOCKDEV_SECTOR_BYTES;
    while (sector_count > 0) {
        size_t chunk = sector_count < chunk_max ? sector_count : chunk_max;
        uint32_t bytes = (uint32_t)(chunk * BLOCKDEV_SECTOR_BYTES);
        enum err error = request(self, type, sector, data, bytes);
        if (error != ERR_OK) {
            return error;
        }
        sector += chunk;
        data += bytes;
        sector_count -= chunk;
    }
    return ERR_OK;
}

static enum err blk_read(struct blockdev *disk, uint64_t sector, void *data, size_t sector_count)
{
    return transfer(disk->driver, REQUEST_IN, sector, data, sector_count);
}

static enum err blk_write(struct blockdev *disk, uint64_t sector, const void *data,
                          size_t sector_count)
{
    if (disk->read_only) {
        return ERR_ROFS;
    }
    /* The device only reads from there; the descriptor says so. */
    return transfer(disk->driver, REQUEST_OUT, sector, (uint8_t *)(uintptr_t)data, sector_count);
}

/* Without FLUSH the device has no volatile cache (virtio 1.2 §5.2.6.2). */
static enum err blk_flush(struct blockdev *disk)
{
    struct virtio_blk *self = disk->driver;

    if (!virtio_has(self->device, VIRTIO_BLK_F_FLUSH)) {
        return self->device->broken ? ERR_IO : ERR_OK;
    }
    return request(self, REQUEST_FLUSH, 0, NULL, 0);
}

static const struct blockdev_ops blk_ops = {
    .read = blk_read,
    .write = blk_write,
    .flush = blk_flush,
};

static void geometry_read(struct virtio_blk *self)
{
    struct virtio_device *device = self->device;
    uint32_t block_bytes = BLOCKDEV_SECTOR_BYTES;
    uint32_t size_max = TRANSFER_BYTES_MAX;

    virtio_config_read(device, CONFIG_CAPACITY, &self->disk.sector_count,
                       sizeof(self->disk.sector_count));
    if (virtio_has(device, VIRTIO_BLK_F_BLK_SIZE)) {
        virtio_config_read(device, CONFIG_BLK_SIZE, &block_bytes, sizeof(block_bytes));
    }
    if (block_bytes < BLOCKDEV_SECTOR_BYTES || block_bytes > BLOCK_BYTES_MAX ||
        (block_bytes & (block_bytes - 1)) != 0) {
        log_warning("blk", "%s has blocks of %u bytes; using 512", device->name, block_bytes);
        block_bytes = BLOCKDEV_SECTOR_BYTES;
    }
    if (virtio_has(device, VIRTIO_BLK_F_SIZE_MAX)) {
        virtio_config_read(device, CONFIG_SIZE_MAX, &size_max, sizeof(size_max));
    }
    if (size_max > TRANSFER_BYTES_MAX || size_max < BLOCKDEV_SECTOR_BYTES) {
        size_max = size_max < BLOCKDEV_SECTOR_BYTES ? BLOCKDEV_SECTOR_BYTES : TRANSFER_BYTES_MAX;
    }
    self->disk.block_bytes = block_bytes;
    self->disk.read_only = virtio_has(device, VIRTIO_BLK_F_RO);
    self->transfer_bytes_max = size_max & ~(BLOCKDEV_SECTOR_BYTES - 1);
}

/* Optional, and without a terminating NUL at full length (virtio 1.2 §5.2.6.1). */
static void serial_read(struct virtio_blk *self)
{
    if (request(self, REQUEST_GET_ID, 0, self->serial, sizeof(self->serial)) != ERR_OK) {
        return;
    }
    for (size_t i = 0; i < sizeof(self->serial) && self->serial[i] != '\0'; i++) {
        bool printable = self->serial[i] >= ' ' && self->serial[i] <= '~';
        self->disk.serial[i] = printable ? self->serial[i] : '?';
    }
}

static enum err start(struct virtio_blk *self)
{
    enum err error = virtio_negotiate(self->device, FEATURES, 0);

    if (error == ERR_OK) {
        error =
            virtio_queue_create(self->device, REQUEST_QUEUE, REQUEST_QUEUE_SIZE, 0, &self->queue);
    }
    if (error == ERR_OK && self->queue.size < 4) {
        error = ERR_NOTSUP;
    }
    if (error != ERR_OK) {
        return error;
    }
    self->disk.ops = &blk_ops;
    self->disk.driver = self;
    geometry_read(self);
    virtio_start(self->device);
    serial_read(self);
    return self->device->broken ? ERR_IO : ERR_OK;
}

enum err virtio_blk_open(struct virtio_device *device, struct blockdev **out)
{
    struct virtio_blk *self = heap_allocate_zeroed(1, sizeof(*self));

    if (self == NULL) {
        return ERR_NOMEM;
    }
    self->device = device;
    enum err error = start(self);
    if (error != ERR_OK) {
        virtio_fail(device, error == ERR_NOMEM ? "out of memory" : "its set-up failed");
        heap_free(self);
        return error;
    }
    log_info("blk", "%s: %llu sectors%s, serial \"%s\"", device->name,
             (unsigned long long)self->disk.sector_count, self->disk.read_only ? ", read-only" : "",
             self->disk.serial);
    *out = &self->disk;
    return ERR_OK;
}
