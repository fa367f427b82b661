/* A disk in front of each disk: transfers are shown and counted. */
#include <stddef.h>

#include "kernel/base/string.h"
#include "kernel/clock.h"
#include "trace/stats.h"
#include "trace/trace.h"
#include "trace/wrap.h"

/* More disks than a machine here has; the rest stays as it is. */
#define DISKS_MAX 16u

static struct blockdev fronts[DISKS_MAX];

static void show(const struct blockdev *disk, const char *what, uint64_t sector, size_t count,
                 enum err error, uint64_t start_ns)
{
    static struct trace_text text;

    if (!trace_is_on(TRACE_DISK)) {
        return;
    }
    trace_text_clear(&text);
    trace_text_quote(&text, disk->serial, strlen(disk->serial), false);
    trace_text_add(&text, " %s", what);
    if (count != 0) {
        trace_text_add(&text, " sector %llu, %zu bytes", (unsigned long long)sector,
                       count * BLOCKDEV_SECTOR_BYTES);
    }
    trace_text_add(&text, error == ERR_OK ? " = ok" : " = error %d", (int)error);
    trace_text_add(&text, " <%llu us>",
                   (unsigned long long)((clock_monotonic_ns() - start_ns) / 1000));
    trace_line(TRACE_DISK, &text);
}

static enum err read(struct blockdev *front, uint64_t sector, void *data, size_t sector_count)
{
    struct blockdev *disk = front->driver;
    uint64_t start_ns = clock_monotonic_ns();
    enum err error = disk->ops->read(disk, sector, data, sector_count);

    stats.disk_reads++;
    stats.disk_read_bytes += sector_count * BLOCKDEV_SECTOR_BYTES;
    show(front, "read", sector, sector_count, error, start_ns);
    return error;
}

static enum err write(struct blockdev *front, uint64_t sector, const void *data,
                      size_t sector_count)
{
    struct blockdev *disk = front->driver;
    uint64_t start_ns = clock_monotonic_ns();
    enum err error = disk->ops->write(disk, sector, data, sector_count);

    stats.disk_writes++;
    stats.disk_written_bytes += sector_count * BLOCKDEV_SECTOR_BYTES;
    show(front, "write", sector, sector_count, error, start_ns);
    return error;
}

static enum err flush(struct blockdev *front)
{
    struct blockdev *disk = front->driver;
    uint64_t start_ns = clock_monotonic_ns();
    enum err error = disk->ops->flush(disk);

    stats.disk_flushes++;
    show(front, "flush", 0, 0, error, start_ns);
    return error;
}

struct blockdev *__wrap_drivers_block_device(size_t index)
{
    static const struct blockdev_ops ops = {.read = read, .write = write, .flush = flush};
    struct blockdev *disk = __real_drivers_block_device(index);

    if (disk == NULL || index >= DISKS_MAX || (!trace_is_on(TRACE_DISK) && !trace_stats_are_on())) {
        return disk;
    }
    if (fronts[index].ops == NULL) {
        fronts[index] = *disk;
        fronts[index].ops = &ops;
        fronts[index].driver = disk;
    }
    return &fronts[index];
}
