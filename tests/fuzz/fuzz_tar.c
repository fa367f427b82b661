/*
 * Arbitrary bytes as a tar image: the tree must come up or be refused, every file's bytes must
 * lie in the image, and all memory must come back.
 */
#include <stdlib.h>
#include <string.h>

#include "fs/fs.h"
#include "fs/ramfs.h"
#include "kernel/base/assert.h"
#include "tests/unit/fake_fs_kernel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

static uint8_t sum;

static void file_check(struct vfs_node *file, const uint8_t *image, size_t image_bytes)
{
    struct vfs_stat stat;
    struct vfs_span span;
    uint64_t offset = 0;
    ASSERT(vfs_stat(file, &stat) == ERR_OK);
    ASSERT(stat.size_bytes <= image_bytes);
    do {
        ASSERT(vfs_read_span(file, offset, SIZE_MAX, &span) == ERR_OK);
        const uint8_t *bytes = span.data;
        ASSERT(span.size_bytes == 0 ||
               (bytes >= image && bytes + span.size_bytes <= image + image_bytes));
        for (size_t i = 0; i < span.size_bytes; i += 64) {
            sum ^= bytes[i];
        }
        offset += span.size_bytes;
    } while (span.size_bytes != 0);
    ASSERT(offset == stat.size_bytes);
}

/* Visits the tree without recursion: each directory found is opened again by its path. */
static void tree_check(struct vfs_node *root, const uint8_t *image, size_t image_bytes)
{
    enum { PENDING_MAX = 64 };
    struct vfs_node *pending[PENDING_MAX];
    unsigned count = 1;
    pending[0] = root;
    vfs_node_get(root);
    while (count != 0) {
        struct vfs_node *directory = pending[--count];
        struct vfs_dirent entry;
        for (uint64_t cookie = 2; vfs_read_directory(directory, cookie, &entry) == ERR_OK;
             cookie = entry.next_cookie) {
            struct vfs_node *node;
            ASSERT(vfs_lookup(directory, entry.name, entry.name_bytes, false, &node) == ERR_OK);
            ASSERT(vfs_node_type(node) == entry.type);
            if (entry.type == VFS_TYPE_DIRECTORY && count < PENDING_MAX) {
                pending[count++] = node;
                continue;
            }
            if (entry.type == VFS_TYPE_REGULAR) {
                file_check(node, image, image_bytes);
            }
            vfs_node_put(node);
        }
        vfs_node_put(directory);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct vfs_node *root;
    fake_reset();
    if (fs_create(data, size_bytes, 1u << 20, &root) == ERR_OK) {
        tree_check(root, data, size_bytes);
        ramfs_destroy(root);
    }
    ASSERT(fake_live_pages == 0);
    return 0;
}

/*
 * A random change almost never leaves a header's checksum right, so the mutator repairs it
 * in every block that looks like a header.
 */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size_bytes, size_t limit_bytes);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size_bytes, size_t limit_bytes, unsigned seed);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size_bytes, size_t limit_bytes, unsigned seed)
{
    size_bytes = LLVMFuzzerMutate(data, size_bytes, limit_bytes);
    if (seed % 8 == 0) {
        return size_bytes;
    }
    for (size_t block = 0; block + 512 <= size_bytes; block += 512) {
        uint8_t *header = data + block;
        unsigned checksum = 8 * ' ';
        if (memcmp(header + 257, "ustar", 5) != 0) {
            continue;
        }
        for (size_t i = 0; i < 512; i++) {
            checksum += i >= 148 && i < 156 ? 0 : header[i];
        }
        for (int digit = 5; digit >= 0; digit--, checksum /= 8) {
            header[148 + digit] = (uint8_t)('0' + checksum % 8);
        }
        header[154] = 0;
    }
    return size_bytes;
}
