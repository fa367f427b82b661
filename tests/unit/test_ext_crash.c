/*
 * A machine that dies at any moment. A program writes, syncs, renames and deletes on a disk
 * that remembers every transfer; then the power fails at many points, with any part of the
 * transfers since the last flush lost or torn. Each time what was synced must be there, whole,
 * and e2fsck must find nothing to repair but the replay of the journal.
 */
#include "fs/ext/ext.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/unit/fake_disk.h"
#include "tests/unit/fake_fs_kernel.h"
#include "tests/unit/vfs_helpers.h"

#define FILES_MAX 200u
#define CUTS      40u

static struct fake_disk disk;
static unsigned seed;

/* What the program was promised: from this point of the log on, this file is there. */
static struct {
    size_t log_count;
    size_t size_bytes;
} promised[FILES_MAX];
static unsigned promised_count;

/* The file that is replaced by renaming: its version, and from where on it is at least that. */
static size_t version_log_count[FILES_MAX];
static unsigned version_count;

static unsigned choose(unsigned limit)
{
    return (unsigned)rand_r(&seed) % limit;
}

static void content_fill(uint8_t *bytes, size_t size_bytes, unsigned number)
{
    for (size_t i = 0; i < size_bytes; i++) {
        bytes[i] = (uint8_t)(number * 31 + i * 7 + i / 1000);
    }
}

static struct vfs_node *write_numbered(const char *name, unsigned number, size_t size_bytes)
{
    static uint8_t bytes[65536];
    struct vfs_node *file;
    size_t written;
    content_fill(bytes, size_bytes, number);
    assert_int_equal(t_open(name, VFS_OPEN_CREATE | VFS_OPEN_TRUNCATE, &file), ERR_OK);
    assert_int_equal(vfs_write(file, 0, bytes, size_bytes, &written), ERR_OK);
    assert_int_equal(written, size_bytes);
    return file;
}

static void step_synced_file(void)
{
    char name[32];
    if (promised_count == FILES_MAX) {
        return;
    }
    size_t size_bytes = choose(8) == 0 ? choose(60000) : choose(3000);
    snprintf(name, sizeof(name), "d%u/file%u", promised_count % 3, promised_count);
    struct vfs_node *file = write_numbered(name, promised_count, size_bytes);
    assert_int_equal(vfs_sync(file, choose(2) == 0), ERR_OK);
    vfs_node_put(file);
    promised[promised_count].log_count = disk.log_count;
    promised[promised_count].size_bytes = size_bytes;
    promised_count++;
}

static void step_replace(void)
{
    if (version_count == FILES_MAX) {
        return;
    }
    struct vfs_node *file = write_numbered("new", version_count, 100 + version_count);
    assert_int_equal(vfs_sync(file, false), ERR_OK);
    assert_int_equal(t_rename("new", "config"), ERR_OK);
    assert_int_equal(vfs_sync(file, false), ERR_OK);
    vfs_node_put(file);
    version_log_count[version_count++] = disk.log_count;
}

/* Work whose survival nobody was promised, to move blocks and inodes around. */
static void step_junk(void)
{
    char name[32];
    char other[32];
    snprintf(name, sizeof(name), "junk%u", choose(6));
    snprintf(other, sizeof(other), "d%u/junk%u", choose(3), choose(6));
    switch (choose(7)) {
    case 0:
        (void)t_mkdir(other);
        break;
    case 1:
        (void)t_rmdir(other);
        break;
    case 2:
        (void)t_unlink(name);
        (void)t_unlink(other);
        break;
    case 3:
        (void)t_rename(name, other);
        break;
    case 4:
        (void)t_link(name, other);
        break;
    default:
        if (t_stat(".").link_count != 0 && t_open_status(name, VFS_OPEN_CREATE) == ERR_OK) {
            struct vfs_node *file = write_numbered(name, choose(256), choose(40000));
            assert_int_equal(vfs_set_size(file, choose(50000)), ERR_OK);
            vfs_node_put(file);
        }
        break;
    }
}

static void run_program(unsigned steps)
{
    for (unsigned i = 0; i < steps; i++) {
        unsigned choice = choose(10);
        if (choice == 0) {
            step_synced_file();
        } else if (choice == 1) {
            step_replace();
        } else {
            step_junk();
        }
    }
}

static void check_numbered(const char *name, unsigned number, size_t size_bytes)
{
    static uint8_t bytes[65536];
    struct vfs_node *file;
    content_fill(bytes, size_bytes, number);
    assert_int_equal(t_open(name, 0, &file), ERR_OK);
    t_assert_size(file, size_bytes);
    t_assert_data(file, 0, bytes, size_bytes);
    vfs_node_put(file);
}

static void check_promises(size_t cut)
{
    char name[32];
    for (unsigned i = 0; i < promised_count && promised[i].log_count <= cut; i++) {
        snprintf(name, sizeof(name), "d%u/file%u", i % 3, i);
        check_numbered(name, i, promised[i].size_bytes);
    }
    unsigned least = 0;
    while (least < version_count && version_log_count[least] <= cut) {
        least++;
    }
    if (least != 0) {
        /* Any version from the last one synced on, and that one whole. */
        unsigned version = (unsigned)t_stat("config").size_bytes - 100;
        assert_true(version + 1 >= least && version < version_count);
        check_numbered("config", version, 100 + version);
    }
}

static void crash_and_check(size_t cut, unsigned chance)
{
    /* What Linux would do: e2fsck replays the journal, and then nothing is left to repair. */
    fake_disk_crash(&disk, cut, chance);
    assert_int_equal(fake_disk_command(&disk, "/sbin/e2fsck -p %s >/dev/null 2>&1"), 0);
    assert_true(fake_disk_is_clean(&disk));
    assert_int_equal(ext_mount(&disk.device, 2, &root), ERR_OK);
    check_promises(cut);
    ext_destroy(root);

    /* What the next boot does: our own replay. */
    fake_disk_crash(&disk, cut, chance);
    assert_int_equal(ext_mount(&disk.device, 2, &root), ERR_OK);
    check_promises(cut);
    assert_int_equal(ext_unmount(root), ERR_OK);
    ext_destroy(root);
    assert_true(fake_disk_is_clean(&disk));
}

static void crash_test(const char *format, unsigned steps)
{
    fake_reset();
    fake_now_ns = (uint64_t)time(NULL) * 1000000000u;
    seed = steps;
    promised_count = 0;
    version_count = 0;
    fake_disk_format(&disk, 12, format);
    assert_int_equal(ext_mount(&disk.device, 2, &root), ERR_OK);
    assert_int_equal(t_mkdir("d0"), ERR_OK);
    assert_int_equal(t_mkdir("d1"), ERR_OK);
    assert_int_equal(t_mkdir("d2"), ERR_OK);
    assert_int_equal(ext_sync_volume(root), ERR_OK);
    fake_disk_record(&disk);
    run_program(steps);
    ext_destroy(root); /* killed: no unmount */
    for (unsigned i = 0; i < CUTS; i++) {
        crash_and_check(choose((unsigned)disk.log_count + 1), i);
    }
    crash_and_check(disk.log_count, 0);
    fake_disk_free(&disk);
    assert_int_equal(fake_live_pages, 0);
}

static void test_small_journal(void **state)
{
    (void)state;
    /* The journal wraps around many times. */
    crash_test("-t ext3 -b 1024 -J size=1", 900);
}

static void test_large_blocks(void **state)
{
    (void)state;
    crash_test("-t ext3 -b 4096 -J size=4", 400);
}

/* Crashing while recovering from a crash. */
static void test_crash_in_replay(void **state)
{
    (void)state;
    static uint8_t *image;
    fake_reset();
    fake_now_ns = (uint64_t)time(NULL) * 1000000000u;
    seed = 3;
    promised_count = 0;
    version_count = 0;
    fake_disk_format(&disk, 12, "-t ext3 -b 1024 -J size=1");
    assert_int_equal(ext_mount(&disk.device, 2, &root), ERR_OK);
    for (unsigned i = 0; i < 3; i++) {
        char name[4];
        snprintf(name, sizeof(name), "d%u", i);
        assert_int_equal(t_mkdir(name), ERR_OK);
    }
    fake_disk_record(&disk);
    run_program(200);
    ext_destroy(root);
    size_t all = disk.log_count;
    size_t size_bytes = (size_t)disk.device.sector_count * BLOCKDEV_SECTOR_BYTES;
    fake_disk_crash(&disk, all, 1);
    image = malloc(size_bytes);
    memcpy(image, disk.bytes, size_bytes);
    for (size_t left = 0; left < 60; left += 3) {
        memcpy(disk.bytes, image, size_bytes);
        disk.writes_left = left;
        if (ext_mount(&disk.device, 2, &root) == ERR_OK) {
            ext_destroy(root);
        }
        disk.writes_left = SIZE_MAX;
        assert_int_equal(ext_mount(&disk.device, 2, &root), ERR_OK);
        check_promises(all);
        assert_int_equal(ext_unmount(root), ERR_OK);
        ext_destroy(root);
        assert_true(fake_disk_is_clean(&disk));
    }
    free(image);
    fake_disk_free(&disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_journal),
        cmocka_unit_test(test_large_blocks),
        cmocka_unit_test(test_crash_in_replay),
    };
    return cmocka_run_group_tests_name("ext_crash", tests, NULL, NULL);
}
