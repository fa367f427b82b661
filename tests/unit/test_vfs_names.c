/* Making, removing, renaming and listing names: POSIX semantics and errors. */
#include "tests/unit/fake_fs_kernel.h"
#include "tests/unit/vfs_helpers.h"

#include <stdio.h>
#include <stdlib.h>

#include "fs/ramfs.h"

static uint64_t used_at_start;

static int setup(void **state)
{
    (void)state;
    fake_reset();
    if (ramfs_create(0, &root) != ERR_OK) {
        return -1;
    }
    used_at_start = ramfs_used_bytes(root);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ramfs_destroy(root);
    assert_int_equal(fake_live_pages, 0);
    return 0;
}

static void test_open_flags(void **state)
{
    (void)state;
    assert_int_equal(t_open_status("f", VFS_OPEN_CREATE | VFS_OPEN_EXCLUSIVE), ERR_OK);
    assert_int_equal(t_open_status("f", VFS_OPEN_CREATE | VFS_OPEN_EXCLUSIVE), ERR_EXIST);
    assert_int_equal(t_open_status("f", VFS_OPEN_CREATE), ERR_OK);
    assert_int_equal(t_open_status("f", VFS_OPEN_DIRECTORY), ERR_NOTDIR);
    assert_int_equal(t_open_status("g/", VFS_OPEN_CREATE), ERR_ISDIR);
    assert_int_equal(t_open_status("g", VFS_OPEN_CREATE | VFS_OPEN_DIRECTORY), ERR_INVAL);
    assert_int_equal(t_open_status("no/g", VFS_OPEN_CREATE), ERR_NOENT);
    assert_int_equal(t_mkdir("d"), ERR_OK);
    assert_int_equal(t_open_status("d", VFS_OPEN_CREATE), ERR_ISDIR);
    assert_int_equal(t_open_status("d", VFS_OPEN_CREATE | VFS_OPEN_EXCLUSIVE), ERR_EXIST);
    assert_int_equal(t_open_status("d", VFS_OPEN_WRITE), ERR_ISDIR);
    assert_int_equal(t_open_status("d", VFS_OPEN_TRUNCATE), ERR_ISDIR);
    t_write_file("f", "text");
    assert_int_equal(t_open_status("f", VFS_OPEN_WRITE), ERR_OK);
    t_assert_file("f", "text");
    assert_int_equal(t_open_status("f", VFS_OPEN_TRUNCATE), ERR_OK);
    t_assert_file("f", "");
}

static void test_mkdir_rmdir(void **state)
{
    (void)state;
    assert_int_equal(t_mkdir("d/"), ERR_OK);
    assert_int_equal(t_mkdir("d"), ERR_EXIST);
    assert_int_equal(t_mkdir("d/"), ERR_EXIST);
    assert_int_equal(t_mkdir("."), ERR_EXIST);
    assert_int_equal(t_mkdir("d/.."), ERR_EXIST);
    assert_int_equal(t_mkdir("no/d"), ERR_NOENT);
    t_write_file("f", "");
    assert_int_equal(t_mkdir("f"), ERR_EXIST);
    assert_int_equal(t_mkdir("f/d"), ERR_NOTDIR);
    assert_int_equal(t_rmdir("f"), ERR_NOTDIR);
    assert_int_equal(t_rmdir("f/"), ERR_NOTDIR);
    assert_int_equal(t_rmdir("no"), ERR_NOENT);
    assert_int_equal(t_rmdir("d/."), ERR_INVAL);
    assert_int_equal(t_mkdir("d/e"), ERR_OK);
    assert_int_equal(t_rmdir("d/e/.."), ERR_NOTEMPTY);
    assert_int_equal(t_rmdir("d"), ERR_NOTEMPTY);
    assert_int_equal(t_rmdir("d/e/"), ERR_OK);
    assert_int_equal(t_rmdir("d"), ERR_OK);
    assert_int_equal(t_open_status("d", 0), ERR_NOENT);
    assert_int_equal(t_symlink("f", "l"), ERR_OK);
    assert_int_equal(t_rmdir("l"), ERR_NOTDIR);
    assert_int_equal(t_rmdir("l/"), ERR_NOTDIR);
}

static void test_unlink(void **state)
{
    (void)state;
    t_write_file("f", "x");
    assert_int_equal(t_mkdir("d"), ERR_OK);
    assert_int_equal(t_unlink("d"), ERR_ISDIR);
    assert_int_equal(t_unlink("d/"), ERR_ISDIR);
    assert_int_equal(t_unlink("."), ERR_ISDIR);
    assert_int_equal(t_unlink("f/"), ERR_NOTDIR);
    assert_int_equal(t_unlink("no"), ERR_NOENT);
    assert_int_equal(t_symlink("f", "l"), ERR_OK);
    assert_int_equal(t_unlink("l"), ERR_OK);
    t_assert_file("f", "x");
    assert_int_equal(t_unlink("f"), ERR_OK);
    assert_int_equal(t_unlink("f"), ERR_NOENT);
}

static void test_open_files_survive_unlink(void **state)
{
    (void)state;
    struct vfs_node *file;
    size_t written;
    t_write_file("f", "contents");
    assert_int_equal(t_open("f", VFS_OPEN_WRITE, &file), ERR_OK);
    assert_int_equal(t_unlink("f"), ERR_OK);
    t_assert_data(file, 0, "contents", 8);
    assert_int_equal(vfs_write(file, 8, "+", 1, &written), ERR_OK);
    t_assert_size(file, 9);
    struct vfs_stat stat;
    assert_int_equal(vfs_stat(file, &stat), ERR_OK);
    assert_int_equal(stat.link_count, 0);
    t_write_file("f", "other");
    t_assert_data(file, 0, "contents+", 9);
    vfs_node_put(file);
    t_assert_file("f", "other");
}

static void test_removed_directory(void **state)
{
    (void)state;
    struct vfs_node *directory;
    struct vfs_node *node;
    struct vfs_dirent entry;
    assert_int_equal(t_mkdir("d"), ERR_OK);
    assert_int_equal(t_open("d", VFS_OPEN_DIRECTORY, &directory), ERR_OK);
    assert_int_equal(t_rmdir("d"), ERR_OK);
    assert_int_equal(vfs_open(directory, "f", 1, VFS_OPEN_CREATE, &node), ERR_NOENT);
    assert_int_equal(vfs_make_directory(directory, "e", 1), ERR_NOENT);
    assert_int_equal(vfs_symlink("x", 1, directory, "l", 1), ERR_NOENT);
    t_write_file("f", "");
    assert_int_equal(
        vfs_rename(&(struct vfs_path){root, "f", 1}, &(struct vfs_path){directory, "g", 1}),
        ERR_NOENT);
    assert_int_equal(
        vfs_link(&(struct vfs_path){root, "f", 1}, false, &(struct vfs_path){directory, "g", 1}),
        ERR_NOENT);
    assert_int_equal(vfs_read_directory(directory, 2, &entry), ERR_NOENT);
    t_assert_file("f", "");
    vfs_node_put(directory);
}

static void test_hard_links(void **state)
{
    (void)state;
    t_write_file("f", "one");
    assert_int_equal(t_mkdir("d"), ERR_OK);
    assert_int_equal(t_link("f", "d/g"), ERR_OK);
    assert_int_equal(t_stat("f").link_count, 2);
    assert_int_equal(t_stat("f").inode, t_stat("d/g").inode);
    assert_int_equal(t_link("f", "f"), ERR_EXIST);
    assert_int_equal(t_link("f", "d"), ERR_EXIST);
    assert_int_equal(t_link("f", "h/"), ERR_NOENT);
    assert_int_equal(t_link("f/", "h"), ERR_NOTDIR);
    assert_int_equal(t_link("d", "h"), ERR_PERM);
    assert_int_equal(t_link("no", "h"), ERR_NOENT);
    assert_int_equal(t_unlink("f"), ERR_OK);
    t_assert_file("d/g", "one");
    assert_int_equal(t_stat("d/g").link_count, 1);

    /* A symbolic link is linked itself, or followed on request. */
    assert_int_equal(t_symlink("d/g", "l"), ERR_OK);
    assert_int_equal(t_link("l", "l2"), ERR_OK);
    assert_int_equal(t_stat("l2").type, VFS_TYPE_SYMLINK);
    assert_int_equal(
        vfs_link(&(struct vfs_path){root, "l", 1}, true, &(struct vfs_path){root, "g2", 2}),
        ERR_OK);
    assert_int_equal(t_stat("g2").inode, t_stat("d/g").inode);
    assert_int_equal(t_symlink("nowhere", "dangling"), ERR_OK);
    assert_int_equal(t_link("g2", "dangling"), ERR_EXIST);
}

static void test_symlink_errors(void **state)
{
    (void)state;
    assert_int_equal(t_symlink("x", "l/"), ERR_NOENT);
    assert_int_equal(t_mkdir("d"), ERR_OK);
    assert_int_equal(t_symlink("x", "d"), ERR_EXIST);
    assert_int_equal(t_symlink("x", "d/"), ERR_EXIST);
    static char target[VFS_PATH_MAX + 2];
    memset(target, 't', VFS_PATH_MAX + 1);
    assert_int_equal(t_symlink(target, "l"), ERR_NAMETOOLONG);
    assert_int_equal(t_symlink(target + 1, "l"), ERR_OK);
    struct vfs_node *node;
    const char *text;
    size_t size_bytes;
    assert_int_equal(vfs_lookup(root, "l", 1, false, &node), ERR_OK);
    assert_int_equal(vfs_read_link(node, &text, &size_bytes), ERR_OK);
    assert_int_equal(size_bytes, VFS_PATH_MAX);
    vfs_node_put(node);
    assert_int_equal(vfs_read_link(root, &text, &size_bytes), ERR_INVAL);
}

static void test_rename_files(void **state)
{
    (void)state;
    t_write_file("a", "A");
    t_write_file("b", "B");
    assert_int_equal(t_mkdir("d"), ERR_OK);
    assert_int_equal(t_rename("a", "c"), ERR_OK);
    assert_int_equal(t_open_status("a", 0), ERR_NOENT);
    t_assert_file("c", "A");
    assert_int_equal(t_rename("c", "b"), ERR_OK);
    t_assert_file("b", "A");
    assert_int_equal(t_rename("b", "d/b"), ERR_OK);
    t_assert_file("d/b", "A");
    t_write_file("f", "F");
    assert_int_equal(t_rename("f", "d"), ERR_ISDIR);
    assert_int_equal(t_rename("f", "g/"), ERR_NOTDIR);
    assert_int_equal(t_rename("f/", "g"), ERR_NOTDIR);
    assert_int_equal(t_rename("f", "f/"), ERR_NOTDIR);
    assert_int_equal(t_rename("f", "f"), ERR_OK);
    assert_int_equal(t_rename("no", "f"), ERR_NOENT);
    assert_int_equal(t_rename("f", "no/f"), ERR_NOENT);
    assert_int_equal(t_rename("f", "."), ERR_BUSY);
    assert_int_equal(t_rename("d/.", "x"), ERR_BUSY);
    assert_int_equal(t_rename("f", "../f"), ERR_NOTCAPABLE);
    /* Two names of one file: nothing happens. */
    assert_int_equal(t_link("f", "g"), ERR_OK);
    assert_int_equal(t_rename("f", "g"), ERR_OK);
    assert_string_equal(t_list("."), "d f g");
    /* Links move themselves. */
    assert_int_equal(t_symlink("f", "l"), ERR_OK);
    assert_int_equal(t_rename("l", "m"), ERR_OK);
    assert_int_equal(t_stat("m").type, VFS_TYPE_SYMLINK);
}

static void test_rename_directories(void **state)
{
    (void)state;
    assert_int_equal(t_mkdir("a"), ERR_OK);
    assert_int_equal(t_mkdir("a/b"), ERR_OK);
    assert_int_equal(t_mkdir("a/b/c"), ERR_OK);
    t_write_file("a/b/f", "F");
    assert_int_equal(t_rename("a", "a/x"), ERR_INVAL);
    assert_int_equal(t_rename("a", "a/b/c"), ERR_INVAL);
    assert_int_equal(t_rename("a", "a/b/c/x"), ERR_INVAL);
    assert_int_equal(t_rename("a/b", "a"), ERR_NOTEMPTY);
    assert_int_equal(t_mkdir("empty"), ERR_OK);
    assert_int_equal(t_mkdir("full"), ERR_OK);
    t_write_file("full/f", "");
    t_write_file("file", "");
    assert_int_equal(t_rename("a", "full"), ERR_NOTEMPTY);
    assert_int_equal(t_rename("a", "file"), ERR_NOTDIR);
    assert_int_equal(t_stat(".").link_count, 5);
    assert_int_equal(t_rename("a/", "empty/"), ERR_OK);
    assert_int_equal(t_stat(".").link_count, 4);
    t_assert_file("empty/b/f", "F");
    assert_int_equal(t_rename("empty/b", "full/b/"), ERR_OK);
    assert_int_equal(t_stat("empty").link_count, 2);
    assert_int_equal(t_stat("full").link_count, 3);
    t_assert_file("full/b/f", "F");
    /* `..` leads to the new parent. */
    t_assert_file("full/b/c/../../f", "");
    struct vfs_node *directory;
    struct vfs_dirent entry;
    assert_int_equal(t_open("full/b", VFS_OPEN_DIRECTORY, &directory), ERR_OK);
    assert_int_equal(vfs_read_directory(directory, 1, &entry), ERR_OK);
    assert_int_equal(entry.inode, t_stat("full").inode);
    vfs_node_put(directory);
}

static void test_rename_over_open_file(void **state)
{
    (void)state;
    struct vfs_node *file;
    t_write_file("old", "old");
    t_write_file("new", "new");
    assert_int_equal(t_open("old", 0, &file), ERR_OK);
    assert_int_equal(t_rename("new", "old"), ERR_OK);
    t_assert_data(file, 0, "old", 3);
    t_assert_file("old", "new");
    vfs_node_put(file);
}

static void test_names_between_trees(void **state)
{
    (void)state;
    struct vfs_node *other;
    assert_int_equal(ramfs_create(0, &other), ERR_OK);
    t_write_file("f", "");
    struct vfs_path here = {root, "f", 1};
    struct vfs_path there = {other, "f", 1};
    assert_int_equal(vfs_rename(&here, &there), ERR_XDEV);
    assert_int_equal(vfs_link(&here, false, &there), ERR_XDEV);
    ramfs_destroy(other);
}

static void test_read_directory(void **state)
{
    (void)state;
    struct vfs_node *directory;
    struct vfs_dirent entry;
    assert_int_equal(t_mkdir("d"), ERR_OK);
    assert_int_equal(t_open("d", VFS_OPEN_DIRECTORY, &directory), ERR_OK);
    assert_int_equal(vfs_read_directory(directory, 0, &entry), ERR_OK);
    assert_int_equal(entry.name_bytes, 1);
    assert_memory_equal(entry.name, ".", 1);
    assert_int_equal(entry.inode, t_stat("d").inode);
    assert_int_equal(vfs_read_directory(directory, entry.next_cookie, &entry), ERR_OK);
    assert_int_equal(entry.name_bytes, 2);
    assert_memory_equal(entry.name, "..", 2);
    assert_int_equal(entry.inode, t_stat(".").inode);
    assert_int_equal(vfs_read_directory(directory, entry.next_cookie, &entry), ERR_NOENT);
    assert_int_equal(vfs_read_directory(directory, UINT64_MAX, &entry), ERR_NOENT);
    vfs_node_put(directory);
    t_write_file("f", "");
    assert_int_equal(t_open("f", 0, &directory), ERR_OK);
    assert_int_equal(vfs_read_directory(directory, 0, &entry), ERR_NOTDIR);
    vfs_node_put(directory);
}

/* Scans while every other entry goes away and as many come. */
static void test_cookies_stay_valid(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    static unsigned seen[COUNT];
    char name[32];
    memset(seen, 0, sizeof(seen));
    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(name, sizeof(name), "%u", i);
        t_write_file(name, "");
    }
    uint64_t cookie = 0;
    struct vfs_dirent entry;
    unsigned step = 0;
    while (vfs_read_directory(root, cookie, &entry) == ERR_OK) {
        cookie = entry.next_cookie;
        if (entry.name[0] >= '0' && entry.name[0] <= '9') {
            char copy[32] = {0};
            memcpy(copy, entry.name, entry.name_bytes);
            seen[atoi(copy)]++;
        }
        if (step < COUNT / 2) {
            snprintf(name, sizeof(name), "%u", 2 * step);
            assert_int_equal(t_unlink(name), ERR_OK);
            snprintf(name, sizeof(name), "new%u", step);
            t_write_file(name, "");
            step++;
        }
    }
    for (unsigned i = 1; i < COUNT; i += 2) {
        assert_int_equal(seen[i], 1);
    }
}

static void test_rename_within_a_scan(void **state)
{
    (void)state;
    t_write_file("a", "");
    t_write_file("b", "");
    t_write_file("c", "");
    struct vfs_dirent entry;
    assert_int_equal(vfs_read_directory(root, 2, &entry), ERR_OK);
    assert_memory_equal(entry.name, "a", 1);
    t_write_file("tmp", "");
    assert_int_equal(t_rename("tmp", "b"), ERR_OK);
    assert_string_equal(t_list("."), "a b c");
}

static void test_many_files(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    char name[32];
    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(name, sizeof(name), "file-%u", i);
        assert_int_equal(t_open_status(name, VFS_OPEN_CREATE | VFS_OPEN_EXCLUSIVE), ERR_OK);
    }
    unsigned count = 0;
    struct vfs_dirent entry;
    for (uint64_t cookie = 0; vfs_read_directory(root, cookie, &entry) == ERR_OK;
         cookie = entry.next_cookie) {
        count++;
    }
    assert_int_equal(count, COUNT + 2);
    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(name, sizeof(name), "file-%u", i);
        assert_int_equal(t_unlink(name), ERR_OK);
    }
    assert_string_equal(t_list("."), "");
}

static void test_times(void **state)
{
    (void)state;
    assert_int_equal(t_mkdir("d"), ERR_OK);
    struct vfs_stat before = t_stat("d");
    t_write_file("d/f", "x");
    struct vfs_stat after = t_stat("d");
    assert_true(after.modify_time_ns > before.modify_time_ns);
    assert_true(after.change_time_ns > before.change_time_ns);

    struct vfs_node *file;
    assert_int_equal(t_open("d/f", VFS_OPEN_WRITE, &file), ERR_OK);
    assert_int_equal(vfs_set_times(file, 5, VFS_TIME_OMIT), ERR_OK);
    struct vfs_stat stat = t_stat("d/f");
    assert_int_equal(stat.access_time_ns, 5);
    assert_true(stat.modify_time_ns > 5);
    uint64_t change_ns = stat.change_time_ns;
    assert_int_equal(vfs_set_times(file, VFS_TIME_OMIT, 6), ERR_OK);
    stat = t_stat("d/f");
    assert_int_equal(stat.access_time_ns, 5);
    assert_int_equal(stat.modify_time_ns, 6);
    assert_true(stat.change_time_ns > change_ns);
    fake_now_ns = 1000000;
    assert_int_equal(vfs_set_times(file, VFS_TIME_NOW, VFS_TIME_NOW), ERR_OK);
    stat = t_stat("d/f");
    assert_int_equal(stat.access_time_ns, 1000000);
    assert_int_equal(stat.modify_time_ns, 1000000);
    fake_now_ns = 2000000;
    t_assert_data(file, 0, "x", 1);
    assert_true(t_stat("d/f").access_time_ns >= 2000000);
    assert_int_equal(t_stat("d/f").modify_time_ns, 1000000);
    vfs_node_put(file);
}

static void test_no_memory_leaves_the_tree_as_it_was(void **state)
{
    (void)state;
    t_write_file("f", "text");
    for (size_t left = 0; left < 4; left++) {
        fake_allocations_left = left;
        enum err made = t_open_status("new", VFS_OPEN_CREATE);
        enum err linked = t_link("f", "g");
        enum err directory = t_mkdir("d");
        enum err symlink = t_symlink("f", "s");
        enum err renamed = t_rename("f", "h");
        fake_allocations_left = SIZE_MAX;
        assert_true(made == ERR_OK || made == ERR_NOSPC);
        assert_true(linked == ERR_OK || linked == ERR_NOSPC);
        assert_true(directory == ERR_OK || directory == ERR_NOSPC);
        assert_true(symlink == ERR_OK || symlink == ERR_NOSPC);
        assert_true(renamed == ERR_OK || renamed == ERR_NOSPC);
        assert_int_equal(t_unlink("new"), made == ERR_OK ? ERR_OK : ERR_NOENT);
        assert_int_equal(t_unlink("g"), linked == ERR_OK ? ERR_OK : ERR_NOENT);
        assert_int_equal(t_rmdir("d"), directory == ERR_OK ? ERR_OK : ERR_NOENT);
        assert_int_equal(t_unlink("s"), symlink == ERR_OK ? ERR_OK : ERR_NOENT);
        if (renamed == ERR_OK) {
            assert_int_equal(t_rename("h", "f"), ERR_OK);
        }
        t_assert_file("f", "text");
        assert_string_equal(t_list("."), "f");
    }
}

static void test_budget_returns_to_its_start(void **state)
{
    (void)state;
    struct vfs_node *limited;
    assert_int_equal(ramfs_create(16384, &limited), ERR_OK);
    char name[32];
    enum err err = ERR_OK;
    unsigned made = 0;
    struct vfs_node *file;
    while (err == ERR_OK) {
        snprintf(name, sizeof(name), "%u", made);
        err = vfs_open(limited, name, strlen(name), VFS_OPEN_CREATE, &file);
        if (err == ERR_OK) {
            vfs_node_put(file);
            made++;
        }
    }
    assert_int_equal(err, ERR_NOSPC);
    assert_true(made > 10 && made < 200);
    assert_true(ramfs_used_bytes(limited) <= 16384);
    assert_int_equal(vfs_unlink(limited, "0", 1), ERR_OK);
    assert_int_equal(vfs_open(limited, "0", 1, VFS_OPEN_CREATE, &file), ERR_OK);
    vfs_node_put(file);
    ramfs_destroy(limited);
    assert_int_equal(ramfs_used_bytes(root), used_at_start);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_open_flags),
        TEST(test_mkdir_rmdir),
        TEST(test_unlink),
        TEST(test_open_files_survive_unlink),
        TEST(test_removed_directory),
        TEST(test_hard_links),
        TEST(test_symlink_errors),
        TEST(test_rename_files),
        TEST(test_rename_directories),
        TEST(test_rename_over_open_file),
        TEST(test_names_between_trees),
        TEST(test_read_directory),
        TEST(test_cookies_stay_valid),
        TEST(test_rename_within_a_scan),
        TEST(test_many_files),
        TEST(test_times),
        TEST(test_no_memory_leaves_the_tree_as_it_was),
        TEST(test_budget_returns_to_its_start),
    };
    return cmocka_run_group_tests_name("vfs_names", tests, NULL, NULL);
}
