/*
 * Reads a tar archive in memory, entry by entry: ustar (POSIX.1-1988), pax extended
 * headers (POSIX.1-2001) and the GNU forms for long names and large numbers.
 *
 * Nothing is copied: names and data point into the archive, or, for a ustar name split in two,
 * into the reader. An archive is untrusted; whatever it holds, the reader ends with an entry,
 * the end or a reason. Pure; any context.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/err.h"

struct tar_string {
    const char *bytes;
    size_t size_bytes;
};

enum tar_type {
    TAR_REGULAR,
    TAR_DIRECTORY,
    TAR_SYMLINK,
    TAR_HARD_LINK,
    TAR_OTHER, /* devices, FIFOs, sparse files, volume labels */
};

struct tar_entry {
    enum tar_type type;
    struct tar_string name;
    struct tar_string link_target; /* of links */
    const uint8_t *data;
    uint64_t size_bytes;
    uint64_t modify_time_ns;
    uint64_t header_offset; /* for messages */
};

struct tar_reader {
    const uint8_t *archive;
    uint64_t size_bytes;
    uint64_t offset;
    const char *problem; /* after ERR_INVAL: a sentence, about the header at `offset` */
    char joined_name[256];
};

void tar_reader_init(struct tar_reader *reader, const void *archive, size_t size_bytes);
/*
 * The next entry, valid until the following call. ERR_NOENT at the end, ERR_INVAL for a damaged
 * archive; the reader then stays where it is.
 */
enum err tar_reader_next(struct tar_reader *reader, struct tar_entry *entry) WARN_UNUSED;
