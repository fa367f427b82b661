/* The whole way from an archive to a tree, and the entry points that main.c uses. */
#include "fs/fs.h"

#include <stdio.h>
#include <stdlib.h>

#include "fs/ramfs.h"
#include "tests/unit/fake_fs_kernel.h"
#include "tests/unit/tar_builder.h"
#include "tests/unit/vfs_helpers.h"

static struct tar_builder tar;

static int setup(void **state)
{
    (void)state;
    fake_reset();
    root = NULL;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (root != NULL) {
        ramfs_destroy(root);
    }
    tar_builder_free(&tar);
    assert_int_equal(fake_live_pages, 0);
    return 0;
}

static void load(void)
{
    assert_int_equal(fs_create(tar.bytes, tar.size_bytes, 0, &root), ERR_OK);
}

static void test_no_archive(void **state)
{
    (void)state;
    load();
    assert_string_equal(t_list("."), "tmp");
    t_write_file("tmp/f", "x");
    t_assert_file("tmp/f", "x");
}

static void test_tree(void **state)
{
    (void)state;
    tar_add_directory(&tar, "./");
    tar_add_directory(&tar, "./pub/");
    tar_add_file(&tar, "./pub/a", "A");
    tar_add_file(&tar, "/deep/in/here/b", "B");
    tar_add_symlink(&tar, "pub/l", "../deep/in/here/b");
    tar_add_symlink(&tar, "pub/abs", "/etc/passwd");
    tar_add_hard_link(&tar, "pub/h", "pub/a");
    tar_add_directory(&tar, "tmp");
    tar_add_file(&tar, "tmp/old", "O");
    tar_add_end(&tar);
    load();
    assert_int_equal(fake_warning_count, 0);
    assert_string_equal(t_list("."), "pub deep tmp");
    assert_string_equal(t_list("pub"), "a l abs h");
    t_assert_file("pub/a", "A");
    t_assert_file("pub/l", "B");
    t_assert_file("pub/h", "A");
    t_assert_file("tmp/old", "O");
    assert_int_equal(t_stat("pub/a").link_count, 2);
    assert_int_equal(t_stat("pub/a").modify_time_ns, 7000000000ull);
    assert_int_equal(t_stat("pub").modify_time_ns, 8000000000ull);
    assert_int_equal(t_open_status("pub/abs", VFS_OPEN_FOLLOW), ERR_NOTCAPABLE);
}

static void test_contents_come_from_the_image(void **state)
{
    (void)state;
    struct vfs_node *file;
    struct vfs_span span;
    size_t written;
    tar_add_file(&tar, "f", "contents");
    load();
    const uint8_t *data = tar.bytes + 512;
    assert_int_equal(t_open("f", VFS_OPEN_WRITE, &file), ERR_OK);
    assert_int_equal(vfs_read_span(file, 0, 100, &span), ERR_OK);
    assert_ptr_equal(span.data, data);
    assert_true(span.permanent);
    assert_int_equal(vfs_write(file, 0, "C", 1, &written), ERR_OK);
    t_assert_data(file, 0, "Contents", 8);
    assert_memory_equal(data, "contents", 8);
    vfs_node_put(file);
    assert_int_equal(t_unlink("f"), ERR_OK);
    assert_int_equal(t_open_status("f", 0), ERR_NOENT);
}

static void test_later_entries_win(void **state)
{
    (void)state;
    tar_add_file(&tar, "f", "old");
    tar_add_file(&tar, "f", "new");
    tar_add_symlink(&tar, "f2", "f");
    tar_add_file(&tar, "f2", "file now");
    tar_add_directory(&tar, "d");
    tar_add_file(&tar, "d/x", "x");
    tar_add_directory(&tar, "d");
    tar_add_directory(&tar, "e");
    tar_add_file(&tar, "e", "was a directory");
    tar_add_file(&tar, "g", "was a file");
    tar_add_directory(&tar, "g");
    tar_add_hard_link(&tar, "f", "f");
    tar_add_file(&tar, "k", "k");
    tar_add_symlink(&tar, "k", "f");
    tar_add_hard_link(&tar, "k2", "k");
    load();
    assert_int_equal(fake_warning_count, 0);
    t_assert_file("f", "new");
    t_assert_file("f2", "file now");
    t_assert_file("d/x", "x");
    t_assert_file("e", "was a directory");
    assert_int_equal(t_stat("g").type, VFS_TYPE_DIRECTORY);
    assert_int_equal(t_stat("k2").type, VFS_TYPE_SYMLINK);
}

static void test_refused_entries_are_skipped(void **state)
{
    (void)state;
    tar_add_file(&tar, "../evil", "x");
    tar_add_file(&tar, "a/../../evil", "x");
    tar_add_symlink(&tar, "link", "tmp");
    tar_add_file(&tar, "link/through", "x"); /* must not follow */
    tar_add_hard_link(&tar, "h", "missing");
    tar_add_hard_link(&tar, "h", "../missing");
    tar_add_hard_link(&tar, "h", "no/missing");
    tar_add_directory(&tar, "full");
    tar_add_file(&tar, "full/f", "f");
    tar_add_file(&tar, "full", "x"); /* over a directory with contents */
    tar_add_hard_link(&tar, "hd", "full");
    tar_add_symlink(&tar, "empty", "");
    tar_add(&tar, &(struct tar_fields){.name = "fifo", .type = '6'});
    tar_add_pax(&tar, "path", "");
    tar_add_file(&tar, "x", "x");
    tar_add_file(&tar, "good", "good");
    load();
    assert_int_equal(fake_warning_count, 8 + 1); /* the limit, and one line that counts */
    t_assert_file("good", "good");
    t_assert_file("full/f", "f");
    assert_string_equal(t_list("."), "link full good tmp");
    assert_string_equal(t_list("tmp"), "");
}

static void test_damaged_archive(void **state)
{
    (void)state;
    tar_add_file(&tar, "a", "A");
    tar_add_file(&tar, "b", "B");
    tar.bytes[tar.last_header] ^= 1;
    assert_int_equal(fs_create(tar.bytes, tar.size_bytes, 0, &root), ERR_INVAL);
    assert_int_equal(fake_error_count, 1);
}

static void test_too_little_memory(void **state)
{
    (void)state;
    char name[32];
    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "d%u/f", i);
        tar_add_file(&tar, name, "x");
    }
    for (size_t limit = 512; limit < 20000; limit += 512) {
        enum err err = fs_create(tar.bytes, tar.size_bytes, limit, &root);
        assert_true(err == ERR_NOMEM);
    }
    for (size_t left = 0; left < 400; left++) {
        fake_allocations_left = left;
        enum err err = fs_create(tar.bytes, tar.size_bytes, 0, &root);
        assert_true(err == ERR_NOMEM);
    }
}

static void test_preopens(void **state)
{
    (void)state;
    struct vfs_node *directory;
    struct vfs_node *node;
    tar_add_file(&tar, "srv/www/index.html", "page");
    tar_add_file(&tar, "file", "x");
    load();
    static const char *const roots[] = {"/", ".", "", "./", "//."};
    for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
        assert_int_equal(fs_open_preopen(root, roots[i], &directory), ERR_OK);
        assert_ptr_equal(directory, root);
        vfs_node_put(directory);
    }
    assert_int_equal(fs_open_preopen(root, "/srv/www/", &directory), ERR_OK);
    assert_int_equal(vfs_open(directory, "index.html", 10, 0, &node), ERR_OK);
    vfs_node_put(node);
    assert_int_equal(vfs_open(directory, "../../file", 10, 0, &node), ERR_NOTCAPABLE);
    vfs_node_put(directory);
    assert_int_equal(fs_open_preopen(root, "made/here", &directory), ERR_OK);
    vfs_node_put(directory);
    assert_int_equal(t_stat("made/here").type, VFS_TYPE_DIRECTORY);
    assert_int_equal(fs_open_preopen(root, "/file", &directory), ERR_NOTDIR);
    assert_int_equal(fs_open_preopen(root, "/file/x", &directory), ERR_NOTDIR);
    assert_int_equal(fs_open_preopen(root, "../x", &directory), ERR_NOTCAPABLE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_no_archive),
        TEST(test_tree),
        TEST(test_contents_come_from_the_image),
        TEST(test_later_entries_win),
        TEST(test_refused_entries_are_skipped),
        TEST(test_damaged_archive),
        TEST(test_too_little_memory),
        TEST(test_preopens),
    };
    return cmocka_run_group_tests_name("tarfs", tests, NULL, NULL);
}
