#include "tests/unit/fake_disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct fake_disk *disk_of(struct blockdev *device)
{
    return (struct fake_disk *)device;
}

static void log_add(struct fake_disk *disk, struct fake_disk_write entry)
{
    if (!disk->is_recording) {
        free(entry.data);
        return;
    }
    if (disk->log_count == disk->log_capacity) {
        disk->log_capacity = disk->log_capacity == 0 ? 256 : 2 * disk->log_capacity;
        disk->log = realloc(disk->log, disk->log_capacity * sizeof(disk->log[0]));
    }
    disk->log[disk->log_count++] = entry;
}

static bool in_range(const struct fake_disk *disk, uint64_t sector, size_t sector_count)
{
    return sector <= disk->device.sector_count &&
           sector_count <= disk->device.sector_count - sector;
}

static enum err disk_read(struct blockdev *device, uint64_t sector, void *data, size_t sector_count)
{
    struct fake_disk *disk = disk_of(device);
    if (!in_range(disk, sector, sector_count)) {
        return ERR_RANGE;
    }
    memcpy(data, disk->bytes + sector * BLOCKDEV_SECTOR_BYTES,
           sector_count * BLOCKDEV_SECTOR_BYTES);
    disk->read_count++;
    return ERR_OK;
}

static enum err disk_write(struct blockdev *device, uint64_t sector, const void *data,
                           size_t sector_count)
{
    struct fake_disk *disk = disk_of(device);
    size_t size_bytes = sector_count * BLOCKDEV_SECTOR_BYTES;
    if (!in_range(disk, sector, sector_count)) {
        return ERR_RANGE;
    }
    if (device->read_only) {
        return ERR_ROFS;
    }
    if (disk->writes_left == 0) {
        return ERR_IO;
    }
    disk->writes_left -= disk->writes_left != SIZE_MAX;
    memcpy(disk->bytes + sector * BLOCKDEV_SECTOR_BYTES, data, size_bytes);
    disk->write_count++;
    uint8_t *copy = NULL;
    if (disk->is_recording) {
        copy = malloc(size_bytes);
        memcpy(copy, data, size_bytes);
        log_add(disk, (struct fake_disk_write){sector, sector_count, copy});
    }
    return ERR_OK;
}

static enum err disk_flush(struct blockdev *device)
{
    struct fake_disk *disk = disk_of(device);
    if (disk->writes_left == 0) {
        return ERR_IO;
    }
    disk->flush_count++;
    log_add(disk, (struct fake_disk_write){0});
    return ERR_OK;
}

void fake_disk_init(struct fake_disk *disk, size_t size_bytes)
{
    static const struct blockdev_ops ops = {disk_read, disk_write, disk_flush};
    *disk = (struct fake_disk){
        .device = {.ops = &ops,
                   .sector_count = size_bytes / BLOCKDEV_SECTOR_BYTES,
                   .block_bytes = BLOCKDEV_SECTOR_BYTES},
        .bytes = calloc(1, size_bytes),
        .writes_left = SIZE_MAX,
    };
}

void fake_disk_free(struct fake_disk *disk)
{
    for (size_t i = 0; i < disk->log_count; i++) {
        free(disk->log[i].data);
    }
    free(disk->log);
    free(disk->bytes);
    free(disk->start);
    *disk = (struct fake_disk){0};
}

static size_t size_of(const struct fake_disk *disk)
{
    return (size_t)disk->device.sector_count * BLOCKDEV_SECTOR_BYTES;
}

/* Writes the contents to a temporary file, runs the command on it, reads it back. */
int fake_disk_command(struct fake_disk *disk, const char *command)
{
    char path[] = "/tmp/wafer-disk-XXXXXX";
    char line[1024];
    int file = mkstemp(path);
    if (file < 0 || write(file, disk->bytes, size_of(disk)) != (ssize_t)size_of(disk)) {
        abort();
    }
    /* The one file name replaces every %s. */
    size_t used = 0;
    for (const char *at = command; *at != '\0' && used < sizeof(line) - sizeof(path); at++) {
        if (at[0] == '%' && at[1] == 's') {
            memcpy(line + used, path, strlen(path));
            used += strlen(path);
            at++;
        } else {
            line[used++] = *at;
        }
    }
    line[used] = '\0';
    int status = system(line);
    if (pread(file, disk->bytes, size_of(disk), 0) != (ssize_t)size_of(disk)) {
        abort();
    }
    close(file);
    unlink(path);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void fake_disk_format(struct fake_disk *disk, unsigned mebibytes, const char *arguments)
{
    char command[256];
    fake_disk_init(disk, (size_t)mebibytes << 20);
    snprintf(command, sizeof(command), "/sbin/mke2fs -q -F %s %%s", arguments);
    if (fake_disk_command(disk, command) != 0) {
        abort();
    }
}

bool fake_disk_is_clean(struct fake_disk *disk)
{
    const char *quiet = getenv("FAKE_LOG") != NULL ? "/sbin/e2fsck -fn %s 2>&1"
                                                   : "/sbin/e2fsck -fn %s >/dev/null 2>&1";
    return fake_disk_command(disk, quiet) == 0;
}

void fake_disk_record(struct fake_disk *disk)
{
    disk->start = malloc(size_of(disk));
    memcpy(disk->start, disk->bytes, size_of(disk));
    disk->is_recording = true;
}

void fake_disk_crash(struct fake_disk *disk, size_t cut, unsigned seed)
{
    size_t flushed = 0;
    disk->is_recording = false;
    for (size_t i = 0; i < cut; i++) {
        flushed = disk->log[i].data == NULL ? i : flushed;
    }
    memcpy(disk->bytes, disk->start, size_of(disk));
    for (size_t i = 0; i < cut; i++) {
        const struct fake_disk_write *entry = &disk->log[i];
        for (size_t sector = 0; entry->data != NULL && sector < entry->sector_count; sector++) {
            /* Each sector for itself: a transfer may be torn. */
            bool survives = i < flushed || rand_r(&seed) % 2 == 0;
            if (survives) {
                memcpy(disk->bytes + (entry->sector + sector) * BLOCKDEV_SECTOR_BYTES,
                       entry->data + sector * BLOCKDEV_SECTOR_BYTES, BLOCKDEV_SECTOR_BYTES);
            }
        }
    }
}
