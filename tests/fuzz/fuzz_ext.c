/*
 * Damaged disks: the input patches bytes of a sound volume, which is then mounted, walked and
 * written. Whatever a disk says, the answer is an error, never a fault or an endless loop.
 *
 * Input: pieces of 4 bytes: where (3 bytes, a place in the metadata), and what to put there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/ext/ext.h"
#include "kernel/base/assert.h"
#include "tests/unit/fake_disk.h"
#include "tests/unit/fake_fs_kernel.h"

int LLVMFuzzerInitialize(int *count, char ***arguments);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

/* An empty journal, one that must be replayed, and no journal. */
enum { IMAGE_COUNT = 3 };
static struct fake_disk disk;
static uint8_t *images[IMAGE_COUNT];
static size_t image_bytes;

static const char *const names[] = {"d", "d/f", "d/big", "d/e", "d/e/l", "lost+found", "new"};
#define NAME_COUNT (sizeof(names) / sizeof(names[0]))

static void write_file(struct vfs_node *root, const char *path, size_t size_bytes)
{
    static const uint8_t bytes[20000] = {7};
    struct vfs_node *file;
    size_t written;
    if (vfs_open(root, path, strlen(path), VFS_OPEN_CREATE, &file) == ERR_OK) {
        (void)!vfs_write(file, 0, bytes, size_bytes, &written);
        vfs_node_put(file);
    }
}

static void image_fill(struct vfs_node *root)
{
    static char target[201];
    memset(target, 't', 200);
    ASSERT(vfs_make_directory(root, "d", 1) == ERR_OK);
    ASSERT(vfs_make_directory(root, "d/e", 3) == ERR_OK);
    ASSERT(vfs_symlink(target, 200, root, "d/e/l", 5) == ERR_OK);
    ASSERT(vfs_symlink("../f", 4, root, "d/e/s", 5) == ERR_OK);
    write_file(root, "d/f", 100);
    write_file(root, "d/big", 20000);
}

int LLVMFuzzerInitialize(int *count, char ***arguments)
{
    (void)count;
    (void)arguments;
    for (int i = 0; i < IMAGE_COUNT; i++) {
        struct vfs_node *root;
        fake_reset();
        fake_now_ns = 1700000000000000000ull;
        fake_disk_format(&disk, 3,
                         i == 2 ? "-t ext2 -b 1024 -N 64" : "-t ext3 -b 1024 -N 64 -J size=1");
        ASSERT(ext_mount(&disk.device, 2, &root) == ERR_OK);
        image_fill(root);
        if (i == 1) {
            ASSERT(ext_sync_volume(root) == ERR_OK);
        } else {
            ASSERT(ext_unmount(root) == ERR_OK);
        }
        ext_destroy(root);
        image_bytes = (size_t)disk.device.sector_count * BLOCKDEV_SECTOR_BYTES;
        images[i] = malloc(image_bytes);
        memcpy(images[i], disk.bytes, image_bytes);
        fake_disk_free(&disk);
    }
    fake_disk_init(&disk, image_bytes);
    return 0;
}

/* Visits every node once or twice, boundedly, whatever the directories claim. */
static void walk(struct vfs_node *root)
{
    for (size_t i = 0; i < NAME_COUNT; i++) {
        struct vfs_node *node;
        struct vfs_dirent entry;
        struct vfs_span span;
        struct vfs_stat stat;
        const char *target;
        size_t target_bytes;
        if (vfs_lookup(root, names[i], strlen(names[i]), false, &node) != ERR_OK) {
            continue;
        }
        (void)!vfs_stat(node, &stat);
        (void)!vfs_read_link(node, &target, &target_bytes);
        uint64_t cookie = 0;
        for (unsigned entries = 0;
             entries < 200 && vfs_read_directory(node, cookie, &entry) == ERR_OK; entries++) {
            ASSERT(entry.next_cookie > cookie);
            cookie = entry.next_cookie;
        }
        uint64_t offset = 0;
        for (unsigned spans = 0; spans < 40 && vfs_read_span(node, offset, 4096, &span) == ERR_OK &&
                                 span.size_bytes != 0;
             spans++) {
            offset += span.size_bytes;
        }
        vfs_node_put(node);
    }
}

static void change(struct vfs_node *root)
{
    struct vfs_path from = {root, "d/f", 3};
    struct vfs_path to = {root, "d/e/f", 5};
    struct vfs_node *file;
    write_file(root, "new", 15000);
    (void)!vfs_rename(&from, &to);
    if (vfs_open(root, "d/big", 5, 0, &file) == ERR_OK) {
        (void)!vfs_set_size(file, 5000);
        (void)!vfs_allocate(file, 4000, 9000);
        vfs_node_put(file);
    }
    (void)!vfs_make_directory(root, "d/e/g", 5);
    (void)!ext_sync_volume(root);
    (void)!vfs_unlink(root, "d/big", 5);
    (void)!vfs_unlink(root, "d/e/l", 5);
    (void)!vfs_remove_directory(root, "lost+found", 10);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct vfs_node *root;
    if (size_bytes < 1) {
        return 0;
    }
    fake_reset();
    fake_now_ns = 1700000000000000000ull;
    memcpy(disk.bytes, images[data[0] % IMAGE_COUNT], image_bytes);
    for (size_t i = 1; i + 4 <= size_bytes; i += 4) {
        size_t where = (size_t)data[i] | (size_t)data[i + 1] << 8 | (size_t)data[i + 2] << 16;
        disk.bytes[where % image_bytes] = data[i + 3];
    }
    if (ext_mount(&disk.device, 2, &root) == ERR_OK) {
        walk(root);
        change(root);
        walk(root);
        (void)!ext_unmount(root);
        ext_destroy(root);
    }
    ASSERT(fake_live_pages == 0);
    return 0;
}
