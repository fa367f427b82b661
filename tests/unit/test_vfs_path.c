/* Resolution of paths: what can be reached, what cannot, and with which error. */
#include "tests/unit/fake_fs_kernel.h"
#include "tests/unit/vfs_helpers.h"

#include <stdio.h>
#include <stdlib.h>

#include "fs/ramfs.h"
#include "fs/vfs_ops.h"

static int setup(void **state)
{
    (void)state;
    fake_reset();
    if (ramfs_create(0, &root) != ERR_OK) {
        return -1;
    }
    assert_int_equal(t_mkdir("d"), ERR_OK);
    assert_int_equal(t_mkdir("d/e"), ERR_OK);
    t_write_file("d/e/f", "data");
    t_write_file("top", "top");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ramfs_destroy(root);
    assert_int_equal(fake_live_pages, 0);
    return 0;
}

static void test_plain_forms(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "d/e/f",
        "d//e///f",
        "./d/./e/./f",
        "d/e/../e/f",
        "d/../d/e/f",
        "d/e/../../d/e/f",
        "d/.//e/../../d/e/../e///./f",
    };
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        t_assert_file(paths[i], "data");
    }
    assert_int_equal(t_open_status("d/e/", 0), ERR_OK);
    assert_int_equal(t_open_status("d/e///", VFS_OPEN_DIRECTORY), ERR_OK);
    assert_int_equal(t_open_status(".", VFS_OPEN_DIRECTORY), ERR_OK);
    assert_int_equal(t_open_status("d/..", VFS_OPEN_DIRECTORY), ERR_OK);
    assert_int_equal(t_open_status("d/../", VFS_OPEN_DIRECTORY), ERR_OK);
}

static void test_refused_forms(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        enum err err;
    } cases[] = {
        {"", ERR_NOENT},
        {"/", ERR_NOTCAPABLE},
        {"/d/e/f", ERR_NOTCAPABLE},
        {"..", ERR_NOTCAPABLE},
        {"../d", ERR_NOTCAPABLE},
        {"d/../..", ERR_NOTCAPABLE},
        {"d/e/../../../d/e/f", ERR_NOTCAPABLE},
        {"./..", ERR_NOTCAPABLE},
        {"d/e/f/", ERR_NOTDIR},
        {"d/e/f///", ERR_NOTDIR},
        {"d/e/f/.", ERR_NOTDIR},
        {"d/e/f/..", ERR_NOTDIR},
        {"d/e/f/x", ERR_NOTDIR},
        {"missing", ERR_NOENT},
        {"missing/", ERR_NOENT},
        {"missing/..", ERR_NOENT},
        {"missing/x", ERR_NOENT},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(t_open_status(cases[i].path, 0), cases[i].err);
    }
    struct vfs_node *node;
    assert_int_equal(vfs_open(root, "top\0", 4, 0, &node), ERR_ILSEQ);
    assert_int_equal(vfs_open(root, "\0", 1, 0, &node), ERR_ILSEQ);
}

static void test_length_limits(void **state)
{
    (void)state;
    char name[257];
    memset(name, 'n', 256);
    name[256] = '\0';
    assert_int_equal(t_open_status(name, VFS_OPEN_CREATE), ERR_NAMETOOLONG);
    assert_int_equal(t_open_status(name + 1, VFS_OPEN_CREATE), ERR_OK);
    assert_int_equal(t_open_status(name + 1, 0), ERR_OK);

    static char path[VFS_PATH_MAX + 2];
    for (size_t i = 0; i + 1 < sizeof(path); i += 2) {
        memcpy(path + i, "./", 2);
    }
    path[VFS_PATH_MAX] = '.';
    path[VFS_PATH_MAX + 1] = '\0';
    assert_int_equal(t_open_status(path, 0), ERR_NAMETOOLONG);
    path[VFS_PATH_MAX] = '\0';
    assert_int_equal(t_open_status(path, 0), ERR_OK);
}

static void test_start_must_be_a_directory(void **state)
{
    (void)state;
    struct vfs_node *file;
    struct vfs_node *node;
    assert_int_equal(t_open("top", 0, &file), ERR_OK);
    assert_int_equal(vfs_open(file, "x", 1, 0, &node), ERR_NOTDIR);
    assert_int_equal(vfs_open(file, ".", 1, 0, &node), ERR_NOTDIR);
    vfs_node_put(file);
}

static void test_a_subdirectory_is_a_root_of_its_own(void **state)
{
    (void)state;
    struct vfs_node *directory;
    struct vfs_node *node;
    assert_int_equal(t_open("d", VFS_OPEN_DIRECTORY, &directory), ERR_OK);
    assert_int_equal(vfs_open(directory, "..", 2, 0, &node), ERR_NOTCAPABLE);
    assert_int_equal(vfs_open(directory, "e/../../top", 11, 0, &node), ERR_NOTCAPABLE);
    assert_int_equal(vfs_open(directory, "e/f", 3, 0, &node), ERR_OK);
    vfs_node_put(node);
    /* A link that is fine from above leads out of here. */
    assert_int_equal(t_symlink("../../top", "d/e/up"), ERR_OK);
    t_assert_file("d/e/up", "top");
    assert_int_equal(vfs_open(directory, "e/up", 4, VFS_OPEN_FOLLOW, &node), ERR_NOTCAPABLE);
    vfs_node_put(directory);
}

static void test_links_are_followed(void **state)
{
    (void)state;
    assert_int_equal(t_symlink("d/e", "dir"), ERR_OK);
    assert_int_equal(t_symlink("e/f", "d/file"), ERR_OK);
    assert_int_equal(t_symlink("d/file", "twice"), ERR_OK);
    assert_int_equal(t_symlink("dir/../file", "mixed"), ERR_OK);
    assert_int_equal(t_symlink("d/e/", "slash"), ERR_OK);
    assert_int_equal(t_symlink("top/", "bad"), ERR_OK);
    t_assert_file("dir/f", "data");
    t_assert_file("d/file", "data");
    t_assert_file("twice", "data");
    /* `..` after a link goes up from where the link led. */
    t_assert_file("mixed", "data");
    t_assert_file("dir/../e/f", "data");
    t_assert_file("slash/f", "data");
    assert_int_equal(t_open_status("dir", VFS_OPEN_DIRECTORY), ERR_LOOP);
    assert_int_equal(t_open_status("dir", 0), ERR_LOOP);
    assert_int_equal(t_open_status("dir/", 0), ERR_OK);
    assert_int_equal(t_open_status("dir", VFS_OPEN_DIRECTORY | VFS_OPEN_FOLLOW), ERR_OK);
    assert_int_equal(t_open_status("twice", VFS_OPEN_DIRECTORY | VFS_OPEN_FOLLOW), ERR_NOTDIR);
    assert_int_equal(t_open_status("bad", VFS_OPEN_FOLLOW), ERR_NOTDIR);
    assert_int_equal(t_open_status("twice/", VFS_OPEN_FOLLOW), ERR_NOTDIR);
    assert_int_equal(t_open_status("twice/x", 0), ERR_NOTDIR);
    assert_int_equal(t_stat("dir").type, VFS_TYPE_SYMLINK);
    assert_int_equal(t_stat("dir/").type, VFS_TYPE_DIRECTORY);
}

static void test_dangling_links(void **state)
{
    (void)state;
    assert_int_equal(t_symlink("d/new", "dangling"), ERR_OK);
    assert_int_equal(t_open_status("dangling", VFS_OPEN_FOLLOW), ERR_NOENT);
    assert_int_equal(t_open_status("dangling", 0), ERR_LOOP);
    assert_int_equal(t_open_status("dangling", VFS_OPEN_CREATE), ERR_LOOP);
    assert_int_equal(
        t_open_status("dangling", VFS_OPEN_CREATE | VFS_OPEN_EXCLUSIVE | VFS_OPEN_FOLLOW),
        ERR_EXIST);
    assert_int_equal(t_open_status("d/new", 0), ERR_NOENT);
    assert_int_equal(t_open_status("dangling", VFS_OPEN_CREATE | VFS_OPEN_FOLLOW), ERR_OK);
    assert_int_equal(t_open_status("d/new", 0), ERR_OK);
}

static void test_absolute_targets(void **state)
{
    (void)state;
    struct vfs_node *directory;
    assert_int_equal(t_symlink("/top", "absolute"), ERR_NOTCAPABLE);
    assert_int_equal(t_symlink("", "empty"), ERR_NOENT);
    assert_int_equal(vfs_symlink("a\0b", 3, root, "nul", 3), ERR_ILSEQ);
    /* A tar image may hold one all the same. */
    assert_int_equal(t_open("d", VFS_OPEN_DIRECTORY, &directory), ERR_OK);
    assert_int_equal(directory->ops->symlink(directory, (struct vfs_name){"abs", 3}, "/top", 4),
                     ERR_OK);
    vfs_node_put(directory);
    assert_int_equal(t_open_status("d/abs", VFS_OPEN_FOLLOW), ERR_NOTCAPABLE);
    assert_int_equal(t_open_status("d/abs/x", 0), ERR_NOTCAPABLE);
    assert_int_equal(t_stat("d/abs").size_bytes, 4);
}

static void test_loops(void **state)
{
    (void)state;
    assert_int_equal(t_symlink("self", "self"), ERR_OK);
    assert_int_equal(t_symlink("b/x", "a"), ERR_OK);
    assert_int_equal(t_symlink("a/y", "b"), ERR_OK);
    assert_int_equal(t_open_status("self", VFS_OPEN_FOLLOW), ERR_LOOP);
    assert_int_equal(t_open_status("self/x", 0), ERR_LOOP);
    assert_int_equal(t_open_status("a", VFS_OPEN_FOLLOW), ERR_LOOP);
    assert_int_equal(t_open_status("a/z", 0), ERR_LOOP);
    assert_int_equal(t_open_status("self", 0), ERR_LOOP);

    /* A chain of exactly VFS_LINK_MAX links is fine, one more is not. */
    char name[32];
    char target[32] = "top";
    for (unsigned i = 1; i <= VFS_LINK_MAX + 1; i++) {
        snprintf(name, sizeof(name), "chain%u", i);
        assert_int_equal(t_symlink(target, name), ERR_OK);
        memcpy(target, name, sizeof(target));
    }
    t_assert_file("chain40", "top");
    assert_int_equal(t_open_status("chain41", VFS_OPEN_FOLLOW), ERR_LOOP);
}

static void test_out_of_memory_while_following(void **state)
{
    (void)state;
    assert_int_equal(t_symlink("top", "l"), ERR_OK);
    fake_allocations_left = 0;
    assert_int_equal(t_open_status("l", VFS_OPEN_FOLLOW), ERR_NOMEM);
    fake_allocations_left = SIZE_MAX;
    t_assert_file("l", "top");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_plain_forms, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_forms, setup, teardown),
        cmocka_unit_test_setup_teardown(test_length_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_start_must_be_a_directory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_subdirectory_is_a_root_of_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(test_links_are_followed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dangling_links, setup, teardown),
        cmocka_unit_test_setup_teardown(test_absolute_targets, setup, teardown),
        cmocka_unit_test_setup_teardown(test_loops, setup, teardown),
        cmocka_unit_test_setup_teardown(test_out_of_memory_while_following, setup, teardown),
    };
    return cmocka_run_group_tests_name("vfs_path", tests, NULL, NULL);
}
