/*
 * ext2 and ext3 volumes made by mke2fs and judged by e2fsck and debugfs. SKIPs nothing: the
 * tools are part of every Debian.
 */
#include "fs/ext/ext.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/fuzz/fs_steps.h"
#include "tests/unit/fake_disk.h"
#include "tests/unit/fake_fs_kernel.h"
#include "tests/unit/vfs_helpers.h"

static struct fake_disk disk;

/* The kinds of volumes that every test of operations runs on. */
static const char *const formats[] = {
    "-t ext3 -b 4096 -J size=4",
    "-t ext3 -b 1024 -I 128 -J size=1",
    "-t ext2 -b 4096",
    "-t ext2 -b 2048 -O ^filetype,^sparse_super,^large_file,^resize_inode",
};
#define FORMAT_COUNT (sizeof(formats) / sizeof(formats[0]))

static int setup(void **state)
{
    (void)state;
    fake_reset();
    fake_now_ns = (uint64_t)time(NULL) * 1000000000u; /* e2fsck distrusts other times */
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_disk_free(&disk);
    return fake_live_pages == 0 ? 0 : -1;
}

static void mount(void)
{
    assert_int_equal(ext_mount(&disk.device, 2, &root), ERR_OK);
}

static void unmount(void)
{
    assert_int_equal(ext_unmount(root), ERR_OK);
    ext_destroy(root);
    assert_int_equal(fake_live_pages, 0);
    assert_true(fake_disk_is_clean(&disk));
}

static void remount(void)
{
    unmount();
    mount();
}

static void for_each_format(void (*body)(void))
{
    for (size_t i = 0; i < FORMAT_COUNT; i++) {
        fake_disk_format(&disk, 24, formats[i]);
        mount();
        body();
        unmount();
        fake_disk_free(&disk);
    }
}

static void names_body(void)
{
    assert_string_equal(t_list("."), "lost+found");
    assert_int_equal(t_mkdir("d"), ERR_OK);
    assert_int_equal(t_mkdir("d/e"), ERR_OK);
    t_write_file("d/e/f", "contents");
    assert_int_equal(t_link("d/e/f", "g"), ERR_OK);
    assert_int_equal(t_symlink("d/e/f", "short"), ERR_OK);
    char target[500];
    memset(target, 't', sizeof(target) - 1);
    target[sizeof(target) - 1] = '\0';
    assert_int_equal(t_symlink(target, "long"), ERR_OK);
    assert_int_equal(t_stat("d").link_count, 3);
    assert_int_equal(t_stat("g").link_count, 2);
    remount();
    t_assert_file("short", "contents");
    t_assert_file("d/e/../e/f", "contents");
    assert_int_equal(t_stat("long").size_bytes, 499);
    assert_int_equal(t_stat("long").type, VFS_TYPE_SYMLINK);
    assert_int_equal(t_stat("g").inode, t_stat("d/e/f").inode);
    assert_int_equal(t_open_status("../x", 0), ERR_NOTCAPABLE);

    assert_int_equal(t_rmdir("d/e"), ERR_NOTEMPTY);
    assert_int_equal(t_rename("d/e", "moved"), ERR_OK);
    assert_int_equal(t_stat("d").link_count, 2);
    assert_int_equal(t_rename("moved", "moved/x"), ERR_INVAL);
    assert_int_equal(t_rename("d", "moved"), ERR_NOTEMPTY);
    assert_int_equal(t_rename("g", "moved/f"), ERR_OK); /* two names of one file */
    t_write_file("new", "new");
    assert_int_equal(t_rename("new", "g"), ERR_OK);
    t_assert_file("g", "new");
    t_assert_file("moved/f", "contents");
    t_assert_file("moved/../g", "new");
    assert_int_equal(t_mkdir("moved/sub"), ERR_OK);
    assert_int_equal(t_rename("moved/sub", "d"), ERR_OK);
    remount();
    assert_string_equal(t_list("moved"), "f");
    assert_int_equal(t_rmdir("d"), ERR_OK);
    assert_int_equal(t_unlink("long"), ERR_OK);
    assert_int_equal(t_unlink("short"), ERR_OK);
    assert_int_equal(t_unlink("moved/f"), ERR_OK);
    assert_int_equal(t_rmdir("moved"), ERR_OK);
}

static void test_names(void **state)
{
    (void)state;
    for_each_format(names_body);
}

static void data_body(void)
{
    static uint8_t bytes[3 << 20];
    struct vfs_node *file;
    size_t written;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i * 7 + i / 4096);
    }
    assert_int_equal(t_open("big", VFS_OPEN_CREATE, &file), ERR_OK);
    assert_int_equal(vfs_write(file, 0, bytes, sizeof(bytes), &written), ERR_OK);
    assert_int_equal(written, sizeof(bytes));
    vfs_node_put(file);
    remount();
    assert_int_equal(t_open("big", 0, &file), ERR_OK);
    t_assert_size(file, sizeof(bytes));
    t_assert_data(file, 0, bytes, sizeof(bytes));
    /* Over a block's border, then cut in the middle and grow again: zeros. */
    assert_int_equal(vfs_write(file, 100001, bytes, 5000, &written), ERR_OK);
    memmove(bytes + 100001, bytes, 5000);
    t_assert_data(file, 0, bytes, sizeof(bytes));
    assert_int_equal(vfs_set_size(file, 1000001), ERR_OK);
    assert_int_equal(vfs_set_size(file, 1500000), ERR_OK);
    memset(bytes + 1000001, 0, 499999);
    t_assert_data(file, 0, bytes, 1500000);
    vfs_node_put(file);

    /* Sparse: blocks at every level of indirection. */
    assert_int_equal(t_open("sparse", VFS_OPEN_CREATE, &file), ERR_OK);
    static const uint64_t offsets[] = {5, 1ull << 20, 80ull << 20, 5000ull << 20};
    uint64_t end = 0;
    for (size_t i = 0; i < 4; i++) {
        enum err err = vfs_write(file, offsets[i], "x", 1, &written);
        assert_int_equal(err, ERR_OK);
        end = offsets[i] + 1;
    }
    t_assert_size(file, end);
    static const uint8_t zeros[100000];
    t_assert_data(file, 6, zeros, sizeof(zeros));
    t_assert_data(file, 5, "x", 1);
    t_assert_data(file, offsets[3], "x", 1);
    t_assert_data(file, offsets[3] - 60000, zeros, 60000);
    vfs_node_put(file);
    remount();
    assert_int_equal(t_open("sparse", 0, &file), ERR_OK);
    t_assert_data(file, offsets[2], "x", 1);
    assert_int_equal(vfs_set_size(file, offsets[1] + 1), ERR_OK);
    assert_int_equal(vfs_set_size(file, offsets[3] + 1), ERR_OK);
    t_assert_data(file, offsets[1], "x", 1);
    t_assert_data(file, offsets[3] - 60000, zeros, 60001);
    assert_int_equal(vfs_set_size(file, 1ull << 62), ERR_FBIG);
    assert_int_equal(vfs_write(file, 1ull << 62, "x", 1, &written), ERR_FBIG);
    assert_int_equal(vfs_allocate(file, 50, 100000), ERR_OK);
    t_assert_data(file, 50, zeros, 100000);
    vfs_node_put(file);
}

static void test_data(void **state)
{
    (void)state;
    for_each_format(data_body);
}

static void full_body(void)
{
    static const uint8_t bytes[65536] = {1};
    struct vfs_node *file;
    size_t written = 1;
    uint64_t offset = 0;
    assert_int_equal(t_open("fill", VFS_OPEN_CREATE, &file), ERR_OK);
    enum err err = ERR_OK;
    while (err == ERR_OK) {
        err = vfs_write(file, offset, bytes, sizeof(bytes), &written);
        offset += err == ERR_OK ? written : 0;
    }
    assert_int_equal(err, ERR_NOSPC);
    assert_true(offset > 10 << 20);
    t_assert_size(file, offset);
    assert_int_equal(t_mkdir("no-room"), ERR_NOSPC);
    char target[501] = {0};
    memset(target, 't', 500);
    assert_int_equal(t_symlink(target, "no-room"), ERR_NOSPC);
    assert_int_equal(vfs_allocate(file, 0, offset + 100000), ERR_NOSPC);
    t_assert_size(file, offset);
    /* What is freed can be used at once. */
    assert_int_equal(vfs_set_size(file, offset - 200000), ERR_OK);
    assert_int_equal(t_mkdir("room"), ERR_OK);
    assert_int_equal(t_symlink(target, "room/l"), ERR_OK);
    vfs_node_put(file);
    assert_int_equal(t_unlink("fill"), ERR_OK);
    assert_int_equal(t_open("fill2", VFS_OPEN_CREATE, &file), ERR_OK);
    for (uint64_t at = 0; at < offset - (1 << 20); at += written) {
        assert_int_equal(vfs_write(file, at, bytes, sizeof(bytes), &written), ERR_OK);
    }
    vfs_node_put(file);
}

static void test_full_disk(void **state)
{
    (void)state;
    for_each_format(full_body);
}

static void inodes_body(void)
{
    char name[32];
    unsigned count = 0;
    enum err err = ERR_OK;
    while (err == ERR_OK) {
        snprintf(name, sizeof(name), "file-%u", count);
        err = t_open_status(name, VFS_OPEN_CREATE | VFS_OPEN_EXCLUSIVE);
        count += err == ERR_OK;
    }
    assert_int_equal(err, ERR_NOSPC);
    assert_true(count > 1000);
    remount();
    unsigned listed = 0;
    struct vfs_dirent entry;
    for (uint64_t cookie = 0; vfs_read_directory(root, cookie, &entry) == ERR_OK;
         cookie = entry.next_cookie) {
        listed++;
    }
    assert_int_equal(listed, count + 3); /* and `.`, `..`, lost+found */
    for (unsigned i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "file-%u", i);
        assert_int_equal(t_unlink(name), ERR_OK);
    }
    assert_string_equal(t_list("."), "lost+found");
}

static void test_many_files(void **state)
{
    (void)state;
    for_each_format(inodes_body);
}

static void open_body(void)
{
    struct vfs_node *file;
    struct vfs_node *other;
    struct vfs_node *directory;
    struct vfs_node *none;
    size_t written;
    t_write_file("f", "one");
    t_write_file("g", "two");
    assert_int_equal(t_mkdir("d"), ERR_OK);
    assert_int_equal(t_open("f", 0, &file), ERR_OK);
    assert_int_equal(t_open("g", 0, &other), ERR_OK);
    assert_int_equal(t_open("d", VFS_OPEN_DIRECTORY, &directory), ERR_OK);
    assert_int_equal(t_unlink("f"), ERR_OK);
    assert_int_equal(t_unlink("g"), ERR_OK);
    assert_int_equal(t_rmdir("d"), ERR_OK);
    assert_int_equal(vfs_sync(file, false), ERR_OK);
    assert_int_equal(vfs_write(file, 3, "+", 1, &written), ERR_OK);
    t_assert_data(file, 0, "one+", 4);
    assert_int_equal(vfs_open(directory, "x", 1, VFS_OPEN_CREATE, &none), ERR_NOENT);
    /* Out of the middle of the list of orphans, then the rest. */
    vfs_node_put(other);
    vfs_node_put(file);
    vfs_node_put(directory);
}

static void test_open_files_survive_unlink(void **state)
{
    (void)state;
    for_each_format(open_body);
}

static void times_body(void)
{
    struct vfs_node *file;
    fake_now_ns = 1700000000123456789ull;
    t_write_file("f", "x");
    assert_int_equal(t_open("f", 0, &file), ERR_OK);
    assert_int_equal(vfs_set_times(file, 5000000000ull, 3000000000123456789ull), ERR_OK);
    vfs_node_put(file);
    remount();
    struct vfs_stat stat = t_stat("f");
    assert_int_equal(stat.access_time_ns, 5000000000ull);
    assert_int_equal(stat.device, 2);
    bool fine = stat.modify_time_ns == 3000000000123456789ull;
    bool coarse = stat.modify_time_ns == (uint64_t)INT32_MAX * 1000000000u; /* 128-byte inodes */
    assert_true(fine || coarse);
    assert_true(stat.change_time_ns / 1000000000u == 1700000000u);
}

static void test_times(void **state)
{
    (void)state;
    for_each_format(times_body);
}

static void test_linux_tools_see_the_same(void **state)
{
    (void)state;
    fake_disk_format(&disk, 24, formats[0]);
    assert_int_equal(fake_disk_command(&disk, "printf 'from outside' >%s.in && "
                                              "/sbin/debugfs -w -R \"write %s.in from\" %s "
                                              "2>/dev/null >&2; rm %s.in"),
                     0);
    mount();
    t_assert_file("from", "from outside");
    t_write_file("ours", "from inside\n");
    assert_int_equal(t_mkdir("dir"), ERR_OK);
    assert_int_equal(t_symlink("../ours", "dir/link"), ERR_OK);
    unmount();
    assert_int_equal(fake_disk_command(&disk, "test \"$(/sbin/debugfs -R 'cat ours' %s "
                                              "2>/dev/null)\" = 'from inside'"),
                     0);
    assert_int_equal(fake_disk_command(&disk, "/sbin/debugfs -R 'stat dir/link' %s 2>/dev/null "
                                              "| grep -q 'Fast link dest: \"../ours\"'"),
                     0);
}

/* A directory that Linux indexed: still right for us, and for Linux after we changed it. */
static void test_indexed_directory(void **state)
{
    (void)state;
    char name[64];
    fake_disk_format(&disk, 24, formats[0]);
    mount();
    assert_int_equal(t_mkdir("d"), ERR_OK);
    for (unsigned i = 0; i < 600; i++) {
        snprintf(name, sizeof(name), "d/a-rather-long-name-%u", i);
        t_write_file(name, "");
    }
    unmount();
    assert_int_equal(
        fake_disk_command(&disk, "/sbin/e2fsck -fyD %s >/dev/null 2>&1; test $? -le 1"), 0);
    assert_int_equal(
        fake_disk_command(&disk,
                          "/sbin/debugfs -R 'stat d' %s 2>/dev/null | grep -q 'Flags: 0x1000'"),
        0);
    mount();
    assert_int_equal(t_stat("d/a-rather-long-name-123").type, VFS_TYPE_REGULAR);
    assert_int_equal(t_unlink("d/a-rather-long-name-123"), ERR_OK);
    t_write_file("d/one-more", "x");
    unmount();
}

static void test_refused_disks(void **state)
{
    (void)state;
    fake_disk_init(&disk, 1 << 20);
    assert_int_equal(ext_mount(&disk.device, 2, &root), ERR_INVAL);
    fake_disk_free(&disk);
    fake_disk_init(&disk, 512);
    assert_int_equal(ext_mount(&disk.device, 2, &root), ERR_INVAL);
    fake_disk_free(&disk);
    fake_disk_format(&disk, 24, "-t ext4");
    assert_int_equal(ext_mount(&disk.device, 2, &root), ERR_NOTSUP);
    fake_disk_free(&disk);
    fake_disk_format(&disk, 24, formats[0]);
    disk.device.sector_count /= 2;
    assert_int_equal(ext_mount(&disk.device, 2, &root), ERR_INVAL);
    disk.device.sector_count *= 2;
}

static void test_read_only_disk(void **state)
{
    (void)state;
    struct vfs_node *file;
    size_t written;
    fake_disk_format(&disk, 24, formats[0]);
    mount();
    t_write_file("f", "x");
    unmount();
    disk.device.read_only = true;
    mount();
    t_assert_file("f", "x");
    assert_int_equal(t_mkdir("d"), ERR_ROFS);
    assert_int_equal(t_unlink("f"), ERR_ROFS);
    assert_int_equal(t_open("f", 0, &file), ERR_OK);
    assert_int_equal(vfs_write(file, 0, "y", 1, &written), ERR_ROFS);
    assert_int_equal(vfs_set_size(file, 0), ERR_ROFS);
    assert_int_equal(vfs_sync(file, false), ERR_OK);
    vfs_node_put(file);
    unmount();
}

/* The disk breaks at every write in turn: errors, never worse, and the last commit stays. */
static void test_broken_disk(void **state)
{
    (void)state;
    fake_disk_format(&disk, 24, formats[0]);
    size_t before = 0;
    for (size_t left = 0; left < 40; left++) {
        disk.writes_left = left;
        enum err err = ext_mount(&disk.device, 2, &root);
        if (err == ERR_OK) {
            struct vfs_node *file;
            size_t written;
            (void)t_mkdir("d");
            if (t_open("f", VFS_OPEN_CREATE, &file) == ERR_OK) {
                (void)!vfs_write(file, 0, "data", 4, &written);
                (void)!vfs_sync(file, false);
                (void)!vfs_set_size(file, 0);
                vfs_node_put(file);
            }
            (void)t_unlink("f");
            (void)!ext_unmount(root);
            ext_destroy(root);
        }
        disk.writes_left = SIZE_MAX;
        assert_int_equal(fake_disk_command(&disk, "/sbin/e2fsck -p %s >/dev/null 2>&1"), 0);
        assert_true(fake_disk_is_clean(&disk));
        before = left;
    }
    assert_int_equal(before, 39);
}

/* Random operations against the model, with remounts and commits in between. */
static void test_against_a_model(void **state)
{
    (void)state;
    static uint8_t bytes[4000];
    unsigned seed = 5;
    for (size_t format = 0; format < FORMAT_COUNT; format++) {
        fake_disk_format(&disk, 24, formats[format]);
        mount();
        assert_int_equal(t_rmdir("lost+found"), ERR_OK);
        fs_steps_start();
        for (unsigned round = 0; round < 8; round++) {
            for (size_t i = 0; i < sizeof(bytes); i++) {
                bytes[i] = (uint8_t)(rand_r(&seed) >> 8);
            }
            fs_steps_run(root, bytes, sizeof(bytes));
            fs_steps_compare(root);
            if (round % 2 == 0) {
                assert_int_equal(ext_sync_volume(root), ERR_OK);
            } else {
                assert_int_equal(ext_unmount(root), ERR_OK);
                ext_destroy(root);
                mount();
            }
            fs_steps_compare(root);
        }
        assert_int_equal(ext_unmount(root), ERR_OK);
        ext_destroy(root);
        /* e2fsck misses lost+found, and makes it. */
        assert_int_equal(
            fake_disk_command(&disk, "/sbin/e2fsck -fp %s >/dev/null 2>&1; test $? -le 1"), 0);
        fake_disk_free(&disk);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_names),
        TEST(test_data),
        TEST(test_full_disk),
        TEST(test_many_files),
        TEST(test_open_files_survive_unlink),
        TEST(test_times),
        TEST(test_linux_tools_see_the_same),
        TEST(test_indexed_directory),
        TEST(test_refused_disks),
        TEST(test_read_only_disk),
        TEST(test_broken_disk),
        TEST(test_against_a_model),
    };
    return cmocka_run_group_tests_name("ext", tests, NULL, NULL);
}
