/*
 * A disk in memory for tests of file systems. It remembers every write since the start, so a
 * test can ask what a machine that died at some point would have left: everything before the
 * last flush, and any of the writes after it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drivers/blockdev.h"

struct fake_disk_write {
    uint64_t sector;
    size_t sector_count;
    uint8_t *data; /* NULL: a flush */
};

struct fake_disk {
    struct blockdev device; /* first */
    uint8_t *bytes;
    uint8_t *start; /* the contents when recording began */
    bool is_recording;
    struct fake_disk_write *log;
    size_t log_count;
    size_t log_capacity;
    size_t writes_left; /* then every write fails; SIZE_MAX: never */
    size_t read_count;
    size_t write_count;
    size_t flush_count;
};

/* Makes a file system of `mebibytes` with mke2fs and these arguments. */
void fake_disk_format(struct fake_disk *disk, unsigned mebibytes, const char *arguments);
void fake_disk_init(struct fake_disk *disk, size_t size_bytes);
void fake_disk_free(struct fake_disk *disk);
void fake_disk_record(struct fake_disk *disk);
/*
 * Replaces the contents by what is left if the power fails after log entry `cut`: writes
 * behind the last flush before it survive by chance, sector by sector. Stops recording.
 */
void fake_disk_crash(struct fake_disk *disk, size_t cut, unsigned seed);
/* Runs a command with the contents in a file, %s in the command; returns its exit code. */
int fake_disk_command(struct fake_disk *disk, const char *command);
/* e2fsck finds nothing at all to complain about. */
bool fake_disk_is_clean(struct fake_disk *disk);
