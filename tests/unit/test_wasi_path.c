/* Paths, links, directories, and the console, on the real file system. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fs/fs.h"
#include "fs/ramfs.h"
#include "kernel/console.h"
#include "tests/unit/fake_wasi.h"
#include "wasi/calls.h"
#include "wasi/types.h"

enum {
    AGAIN = 6,
    BADF = 8,
    EXIST = 20,
    FAULT = 21,
    ILSEQ = 25,
    INVAL = 28,
    ISDIR = 31,
    LOOP = 32,
    NAMETOOLONG = 37,
    NOENT = 44,
    NOTDIR = 54,
    NOTEMPTY = 55,
    NOTCAPABLE = 76,
};

enum { PATH = 0x1000, PATH2 = 0x3000, OUT = 0x5000, IOV = 0x5100, DATA = 0x8000 };

static struct wasi_preopen preopen = {.guest_path = "/"};
static struct wasi_config config;
static struct vfs_node *root;

static int set_up(void **state)
{
    (void)state;
    config = (struct wasi_config){.preopens = &preopen, .preopen_count = 1};
    memset(&fake_kernel, 0, sizeof(fake_kernel));
    assert_int_equal(fs_create(NULL, 0, 0, &root), ERR_OK);
    assert_int_equal(fs_open_preopen(root, "/", &preopen.directory), ERR_OK);
    fake_begin(&config);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_kernel.allocations_ignored = true;
    fake_end();
    ramfs_destroy(root);
    return 0;
}

static uint32_t open_path(const char *path, uint32_t lookup, uint32_t oflags, uint64_t rights)
{
    uint32_t length = guest_put_text(PATH, path);

    return wasi_path_open(3, lookup, PATH, length, oflags, rights, 0, 0, OUT);
}

static void make_file(const char *path)
{
    assert_int_equal(open_path(path, 0, WASI_OFLAG_CREAT_BIT, 0), 0);
    assert_int_equal(wasi_fd_close(guest_get_u32(OUT)), 0);
}

static void make_directory(const char *path)
{
    assert_int_equal(wasi_path_create_directory(3, PATH, guest_put_text(PATH, path)), 0);
}

static uint32_t make_symlink(const char *target, const char *path)
{
    uint32_t target_bytes = guest_put_text(PATH2, target);

    return wasi_path_symlink(PATH2, target_bytes, 3, PATH, guest_put_text(PATH, path));
}

static void nothing_outside_the_preopen_is_reached(void **state)
{
    (void)state;
    make_directory("dir");
    make_file("dir/file");
    assert_int_equal(open_path("/dir/file", 0, 0, 0), NOTCAPABLE);
    assert_int_equal(open_path("..", 0, 0, 0), NOTCAPABLE);
    assert_int_equal(open_path("dir/../../dir/file", 0, 0, 0), NOTCAPABLE);
    assert_int_equal(open_path("dir/../dir/./file", 0, 0, 0), 0);
    assert_int_equal(make_symlink("..", "up"), 0);
    assert_int_equal(open_path("up/x", WASI_LOOKUP_SYMLINK_FOLLOW_BIT, 0, 0), NOTCAPABLE);
    assert_int_equal(make_symlink("/dir", "absolute"), NOTCAPABLE);
    uint32_t length = guest_put_text(PATH, "dir/file");
    assert_int_equal(wasi_path_rename(3, PATH, length, 3, PATH2, guest_put_text(PATH2, "../f")),
                     NOTCAPABLE);
    assert_int_equal(wasi_path_link(3, 0, PATH, length, 3, PATH2, guest_put_text(PATH2, "/f")),
                     NOTCAPABLE);
    assert_int_equal(wasi_path_unlink_file(3, PATH, guest_put_text(PATH, "../x")), NOTCAPABLE);
    /* A directory opened below the preopen is a root of its own. */
    assert_int_equal(wasi_path_open(3, 0, PATH, guest_put_text(PATH, "dir"), 2,
                                    WASI_RIGHTS_DIRECTORY, WASI_RIGHTS_ALL, 0, OUT),
                     0);
    uint32_t dir = guest_get_u32(OUT);
    assert_int_equal(wasi_path_filestat_get(dir, 0, PATH, guest_put_text(PATH, "../dir/file"), OUT),
                     NOTCAPABLE);
}

static void path_arguments_are_checked(void **state)
{
    (void)state;
    make_file("file");
    assert_int_equal(wasi_path_unlink_file(3, PATH, 0), NOENT);
    assert_int_equal(wasi_path_unlink_file(3, FAKE_MEMORY_BYTES - 1, 2), FAULT);
    assert_int_equal(wasi_path_unlink_file(3, 0, UINT32_MAX), FAULT);
    memset(guest_at(PATH), 'x', 5000);
    assert_int_equal(wasi_path_unlink_file(3, PATH, 5000), NAMETOOLONG);
    assert_int_equal(wasi_path_unlink_file(3, PATH, 300), NAMETOOLONG);
    memcpy(guest_at(PATH), "fi\0le", 5);
    assert_int_equal(wasi_path_unlink_file(3, PATH, 5), ILSEQ);
    assert_int_equal(wasi_path_unlink_file(1, PATH, 1), NOTDIR);
    assert_int_equal(wasi_path_unlink_file(99, PATH, 1), BADF);
    assert_int_equal(open_path("file", 2, 0, 0), INVAL);
    assert_int_equal(open_path("file", 0, 16, 0), INVAL);
    uint32_t length = guest_put_text(PATH, "file");
    assert_int_equal(wasi_path_open(3, 0, PATH, length, 0, 0, 0, 32, OUT), INVAL);
    assert_int_equal(wasi_path_open(3, 0, PATH, length, 0, 0, 0, 0, FAKE_MEMORY_BYTES - 3), FAULT);
    /* Bits that no right has are dropped, not refused. */
    assert_int_equal(wasi_path_open(3, 0, PATH, length, 0, UINT64_MAX, UINT64_MAX, 0, OUT), 0);
}

static void open_flags_mean_what_posix_says(void **state)
{
    (void)state;
    make_file("file");
    make_directory("dir");
    assert_int_equal(open_path("file", 0, WASI_OFLAG_CREAT_BIT | WASI_OFLAG_EXCL_BIT, 0), EXIST);
    assert_int_equal(open_path("none", 0, 0, 0), NOENT);
    assert_int_equal(open_path("file", 0, WASI_OFLAG_DIRECTORY_BIT, 0), NOTDIR);
    assert_int_equal(open_path("file/", 0, 0, 0), NOTDIR);
    assert_int_equal(open_path("dir", 0, 0, WASI_RIGHT_FD_WRITE_BIT), ISDIR);
    assert_int_equal(open_path("dir", 0, WASI_OFLAG_DIRECTORY_BIT, WASI_RIGHT_FD_WRITE_BIT), ISDIR);
    assert_int_equal(open_path("dir/", 0, 0, 0), 0);
    assert_int_equal(make_symlink("file", "link"), 0);
    assert_int_equal(open_path("link", 0, 0, 0), LOOP);
    assert_int_equal(open_path("link", WASI_LOOKUP_SYMLINK_FOLLOW_BIT, 0, 0), 0);
}

static void readlink_cuts_to_the_buffer(void **state)
{
    (void)state;
    assert_int_equal(make_symlink("target", "link"), 0);
    uint32_t length = guest_put_text(PATH, "link");
    assert_int_equal(wasi_path_readlink(3, PATH, length, DATA, 100, OUT), 0);
    assert_int_equal(guest_get_u32(OUT), 6);
    assert_memory_equal(guest_at(DATA), "target", 7);
    assert_int_equal(wasi_path_readlink(3, PATH, length, DATA, 3, OUT), 0);
    assert_int_equal(guest_get_u32(OUT), 3);
    assert_int_equal(wasi_path_readlink(3, PATH, length, DATA, 0, OUT), 0);
    assert_int_equal(wasi_path_readlink(3, PATH, length, DATA, UINT32_MAX, OUT), FAULT);
    make_file("file");
    assert_int_equal(wasi_path_readlink(3, PATH, guest_put_text(PATH, "file"), DATA, 9, OUT),
                     INVAL);
}

static void names_are_removed_by_their_kind(void **state)
{
    (void)state;
    make_directory("dir");
    make_file("dir/file");
    assert_int_equal(wasi_path_remove_directory(3, PATH, guest_put_text(PATH, "dir")), NOTEMPTY);
    assert_int_equal(wasi_path_unlink_file(3, PATH, guest_put_text(PATH, "dir")), ISDIR);
    assert_int_equal(wasi_path_remove_directory(3, PATH, guest_put_text(PATH, "dir/file")), NOTDIR);
    assert_int_equal(wasi_path_unlink_file(3, PATH, guest_put_text(PATH, "dir/file")), 0);
    assert_int_equal(wasi_path_remove_directory(3, PATH, guest_put_text(PATH, "dir")), 0);
}

static void an_unlinked_file_lives_while_it_is_open(void **state)
{
    (void)state;
    assert_int_equal(open_path("file", 0, WASI_OFLAG_CREAT_BIT, WASI_RIGHTS_ALL), 0);
    uint32_t fd = guest_get_u32(OUT);

    guest_put_iovec(IOV, DATA, guest_put_text(DATA, "still here"));
    assert_int_equal(wasi_fd_write(fd, IOV, 1, OUT), 0);
    assert_int_equal(wasi_path_unlink_file(3, PATH, guest_put_text(PATH, "file")), 0);
    memset(guest_at(DATA), 0, 10);
    assert_int_equal(wasi_fd_pread(fd, IOV, 1, 0, OUT), 0);
    assert_memory_equal(guest_at(DATA), "still here", 10);
    assert_int_equal(wasi_fd_filestat_get(fd, OUT), 0);
    assert_true(guest_get_u64(OUT + 24) == 0);
}

/* Names of a listing, in order, separated by blanks. */
static uint64_t list(uint32_t fd, uint64_t cookie, uint32_t buffer_bytes, char *names)
{
    uint32_t at = 0;

    assert_int_equal(wasi_fd_readdir(fd, DATA, buffer_bytes, cookie, OUT), 0);
    uint32_t used = guest_get_u32(OUT);
    assert_true(used <= buffer_bytes);
    while (used - at >= WASI_DIRENT_BYTES) {
        uint32_t name_bytes = guest_get_u32(DATA + at + 16);

        if (used - at < WASI_DIRENT_BYTES + name_bytes) {
            break;
        }
        strncat(names, (char *)guest_at(DATA + at + WASI_DIRENT_BYTES), name_bytes);
        strcat(names, " ");
        cookie = guest_get_u64(DATA + at);
        at += WASI_DIRENT_BYTES + name_bytes;
    }
    return used == buffer_bytes ? cookie : UINT64_MAX;
}

static void readdir_resumes_at_any_cookie(void **state)
{
    char whole[1000] = "";
    char parts[1000] = "";

    (void)state;
    for (int i = 0; i < 20; i++) {
        char name[16];

        snprintf(name, sizeof(name), "f%d", i);
        make_file(name);
    }
    assert_true(list(3, 0, 4000, whole) == UINT64_MAX);
    assert_memory_equal(whole, ". .. ", 5);
    for (uint64_t cookie = 0; cookie != UINT64_MAX;) {
        cookie = list(3, cookie, 61, parts);
    }
    assert_string_equal(whole, parts);
    assert_int_equal(wasi_fd_readdir(3, DATA, 10, 0, OUT), 0);
    assert_int_equal(guest_get_u32(OUT), 10);
    assert_int_equal(wasi_fd_readdir(3, DATA, UINT32_MAX, 0, OUT), FAULT);
    assert_int_equal(wasi_fd_readdir(3, DATA, 100, 0, FAKE_MEMORY_BYTES - 3), FAULT);
    assert_int_equal(wasi_fd_readdir(1, DATA, 100, 0, OUT), NOTDIR);
}

/* ---- The console ----------------------------------------------------------------------------- */

static void output_is_byte_exact_and_in_order(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 0x30000; i++) {
        *guest_at(DATA + i) = (uint8_t)(i * 31);
    }
    guest_put_iovec(IOV, DATA, 0x20001);
    guest_put_iovec(IOV + 8, DATA + 7, 3);
    assert_int_equal(wasi_fd_write(1, IOV, 2, OUT), 0);
    assert_int_equal(guest_get_u32(OUT), 0x20004);
    assert_int_equal(fake_kernel.output_bytes[CONSOLE_STDOUT], 0x20004);
    assert_memory_equal(fake_kernel.output[CONSOLE_STDOUT], guest_at(DATA), 0x20001);
    assert_memory_equal(fake_kernel.output[CONSOLE_STDOUT] + 0x20001, guest_at(DATA + 7), 3);
    guest_put_iovec(IOV, DATA, 3);
    assert_int_equal(wasi_fd_write(2, IOV, 1, OUT), 0);
    assert_int_equal(fake_kernel.output_bytes[CONSOLE_STDERR], 3);
    assert_int_equal(wasi_fd_write(0, IOV, 1, OUT), NOTCAPABLE);
    assert_int_equal(wasi_fd_write(1, IOV, 1, FAKE_MEMORY_BYTES - 3), FAULT);
    assert_int_equal(wasi_fd_write(1, IOV, 0, OUT), 0);
    assert_int_equal(wasi_fd_write(1, IOV, 1025, OUT), INVAL);
}

static bool type_something(void)
{
    fake_kernel.input = "line\n";
    return true;
}

static void input_blocks_until_there_is_some(void **state)
{
    (void)state;
    guest_put_iovec(IOV, DATA, 3);
    assert_int_equal(wasi_fd_fdstat_set_flags(0, WASI_FDFLAG_NONBLOCK_BIT), 0);
    assert_int_equal(wasi_fd_read(0, IOV, 1, OUT), AGAIN);
    assert_int_equal(wasi_fd_fdstat_set_flags(0, 0), 0);
    fake_kernel.on_wait = type_something;
    assert_int_equal(wasi_fd_read(0, IOV, 1, OUT), 0);
    fake_kernel.on_wait = NULL;
    assert_int_equal(guest_get_u32(OUT), 3);
    assert_memory_equal(guest_at(DATA), "lin", 3);
    assert_int_equal(wasi_fd_read(0, IOV, 1, OUT), 0);
    assert_int_equal(guest_get_u32(OUT), 2);
    fake_kernel.input_ended = true;
    assert_int_equal(wasi_fd_read(0, IOV, 1, OUT), 0);
    assert_int_equal(guest_get_u32(OUT), 0);
    assert_int_equal(wasi_fd_read(1, IOV, 1, OUT), NOTCAPABLE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_outside_the_preopen_is_reached), TEST(path_arguments_are_checked),
        TEST(open_flags_mean_what_posix_says),        TEST(readlink_cuts_to_the_buffer),
        TEST(names_are_removed_by_their_kind),        TEST(an_unlinked_file_lives_while_it_is_open),
        TEST(readdir_resumes_at_any_cookie),          TEST(output_is_byte_exact_and_in_order),
        TEST(input_blocks_until_there_is_some),
    };

    return cmocka_run_group_tests_name("wasi_path", tests, NULL, NULL);
}
