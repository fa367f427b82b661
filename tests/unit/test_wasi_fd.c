/* Descriptors, preopens, files and directories on the real file system. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fs/fs.h"
#include "fs/ramfs.h"
#include "tests/unit/fake_net_socket.h"
#include "tests/unit/fake_wasi.h"
#include "wasi/calls.h"
#include "wasi/types.h"

enum {
    BADF = 8,
    EXIST = 20,
    FAULT = 21,
    FBIG = 22,
    INVAL = 28,
    ISDIR = 31,
    NAMETOOLONG = 37,
    NOENT = 44,
    NOTDIR = 54,
    OVERFLOWED = 61,
    SPIPE = 70,
    NOTCAPABLE = 76,
};

/* Where the tests put their arguments in guest memory. */
enum { PATH = 1000, PATH2 = 2000, OUT = 3000, IOV = 4000, DATA = 8000 };

static struct wasi_preopen preopens[2];
static struct wasi_config config;
static struct vfs_node *root;

static void begin(size_t listener_count)
{
    static const struct wasi_listener listeners[1] = {{{0, 0, 0, 0}, 80}};

    config = (struct wasi_config){
        .preopens = preopens,
        .preopen_count = 2,
        .listeners = listeners,
        .listener_count = listener_count,
        .network = (struct net_stack *)&config,
    };
    memset(&fake_kernel, 0, sizeof(fake_kernel));
    assert_int_equal(fs_create(NULL, 0, 0, &root), ERR_OK);
    preopens[0].guest_path = "/";
    preopens[1].guest_path = "/data";
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(fs_open_preopen(root, preopens[i].guest_path, &preopens[i].directory),
                         ERR_OK);
    }
    size_t allocations = fake_kernel.allocations;
    fake_begin(&config);
    fake_kernel.allocations += allocations;
}

static int set_up(void **state)
{
    (void)state;
    begin(0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    /* fake_end would count the tree's blocks, which outlive the instance. */
    fake_kernel.allocations_ignored = true;
    fake_end();
    ramfs_destroy(root);
    return 0;
}

static uint32_t open_path(uint32_t fd, const char *path, uint32_t oflags, uint64_t rights)
{
    uint32_t length = guest_put_text(PATH, path);

    return wasi_path_open(fd, 0, PATH, length, oflags, rights, WASI_RIGHTS_ALL, 0, OUT);
}

static uint32_t open_new(const char *path)
{
    assert_int_equal(open_path(3, path, WASI_OFLAG_CREAT_BIT, WASI_RIGHTS_ALL), 0);
    return guest_get_u32(OUT);
}

static void put(uint32_t fd, const char *text)
{
    guest_put_iovec(IOV, DATA, guest_put_text(DATA, text));
    assert_int_equal(wasi_fd_write(fd, IOV, 1, OUT), 0);
    assert_int_equal(guest_get_u32(OUT), strlen(text));
}

static uint32_t get(uint32_t fd, uint32_t size_bytes)
{
    memset(guest_at(DATA), 0, size_bytes + 1);
    guest_put_iovec(IOV, DATA, size_bytes);
    assert_int_equal(wasi_fd_read(fd, IOV, 1, OUT), 0);
    return guest_get_u32(OUT);
}

static void preopens_start_at_three(void **state)
{
    (void)state;
    assert_int_equal(wasi_fd_prestat_get(2, OUT), BADF);
    assert_int_equal(wasi_fd_prestat_get(3, OUT), 0);
    assert_int_equal(*guest_at(OUT), 0);
    assert_int_equal(guest_get_u32(OUT + 4), 1);
    assert_int_equal(wasi_fd_prestat_dir_name(3, DATA, 1), 0);
    assert_memory_equal(guest_at(DATA), "/", 1);
    assert_int_equal(wasi_fd_prestat_get(4, OUT), 0);
    assert_int_equal(guest_get_u32(OUT + 4), 5);
    assert_int_equal(wasi_fd_prestat_dir_name(4, DATA, 4), NAMETOOLONG);
    assert_int_equal(wasi_fd_prestat_dir_name(4, DATA, 100), 0);
    assert_memory_equal(guest_at(DATA), "/data", 6);
    assert_int_equal(wasi_fd_prestat_get(5, OUT), BADF);
    assert_int_equal(wasi_fd_prestat_get(3, FAKE_MEMORY_BYTES - 7), FAULT);
}

static int set_up_with_listener(void **state)
{
    (void)state;
    begin(1);
    return 0;
}

static void a_listener_does_not_hide_directories(void **state)
{
    (void)state;
    assert_int_equal(wasi_fd_prestat_get(3, OUT), 0);
    assert_int_equal(*guest_at(OUT), WASI_PREOPEN_SOCKET);
    assert_int_equal(guest_get_u32(OUT + 4), 0);
    assert_int_equal(wasi_fd_prestat_dir_name(3, OUT, 0), 0);
    assert_int_equal(wasi_fd_prestat_get(4, OUT), 0);
    assert_int_equal(*guest_at(OUT), WASI_PREOPEN_DIRECTORY);
    assert_int_equal(wasi_fd_fdstat_get(3, OUT), 0);
    assert_int_equal(*guest_at(OUT), WASI_FILETYPE_SOCKET_STREAM);
    /* Without a directory behind it, it is an ordinary socket. */
    assert_int_equal(wasi_fd_close(4), 0);
    assert_int_equal(wasi_fd_close(5), 0);
    assert_int_equal(wasi_fd_prestat_get(3, OUT), BADF);
}

static void files_keep_what_is_written(void **state)
{
    (void)state;
    uint32_t fd = open_new("file");

    put(fd, "hello");
    assert_int_equal(wasi_fd_seek(fd, 0, WASI_WHENCE_SET, OUT), 0);
    assert_int_equal(get(fd, 100), 5);
    assert_string_equal((char *)guest_at(DATA), "hello");
    assert_int_equal(get(fd, 100), 0);
    assert_int_equal(wasi_fd_close(fd), 0);
    assert_int_equal(wasi_fd_close(fd), BADF);
    assert_int_equal(open_new("file"), fd);
}

static void pread_and_pwrite_leave_the_offset_alone(void **state)
{
    (void)state;
    uint32_t fd = open_new("file");

    guest_put_iovec(IOV, DATA, guest_put_text(DATA, "abc"));
    assert_int_equal(wasi_fd_pwrite(fd, IOV, 1, 10, OUT), 0);
    assert_int_equal(wasi_fd_tell(fd, OUT), 0);
    assert_true(guest_get_u64(OUT) == 0);
    memset(guest_at(DATA), 0xee, 20);
    guest_put_iovec(IOV, DATA, 20);
    assert_int_equal(wasi_fd_pread(fd, IOV, 1, 8, OUT), 0);
    assert_int_equal(guest_get_u32(OUT), 5);
    assert_memory_equal(guest_at(DATA), "\0\0abc\xee", 6);
    assert_int_equal(wasi_fd_pread(fd, IOV, 1, UINT64_MAX, OUT), INVAL);
    assert_int_equal(wasi_fd_pwrite(fd, IOV, 1, 1ull << 63, OUT), INVAL);
    assert_int_equal(wasi_fd_pread(1, IOV, 1, 0, OUT), NOTCAPABLE);
    assert_int_equal(wasi_fd_pread(0, IOV, 1, 0, OUT), SPIPE);
}

static void seek_moves_by_all_three_origins(void **state)
{
    (void)state;
    uint32_t fd = open_new("file");

    put(fd, "0123456789");
    assert_int_equal(wasi_fd_seek(fd, (uint64_t)-3, WASI_WHENCE_END, OUT), 0);
    assert_true(guest_get_u64(OUT) == 7);
    assert_int_equal(wasi_fd_seek(fd, (uint64_t)-2, WASI_WHENCE_CUR, OUT), 0);
    assert_true(guest_get_u64(OUT) == 5);
    assert_int_equal(wasi_fd_seek(fd, (uint64_t)-6, WASI_WHENCE_CUR, OUT), INVAL);
    assert_int_equal(wasi_fd_seek(fd, INT64_MAX, WASI_WHENCE_CUR, OUT), OVERFLOWED);
    assert_int_equal(wasi_fd_seek(fd, 0, 3, OUT), INVAL);
    assert_int_equal(wasi_fd_tell(fd, OUT), 0);
    assert_true(guest_get_u64(OUT) == 5);
    assert_int_equal(wasi_fd_seek(1, 0, WASI_WHENCE_SET, OUT), SPIPE);
    assert_int_equal(wasi_fd_seek(3, 0, WASI_WHENCE_SET, OUT), ISDIR);
    assert_int_equal(wasi_fd_seek(fd, 0, WASI_WHENCE_SET, FAKE_MEMORY_BYTES - 7), FAULT);
}

/* Snapshot 0 counts whence differently. */
static void old_seek_translates_whence(void **state)
{
    (void)state;
    uint32_t fd = open_new("file");

    put(fd, "0123456789");
    assert_int_equal(wasi_unstable_fd_seek(fd, 4, 2, OUT), 0);
    assert_int_equal(wasi_unstable_fd_seek(fd, 1, 0, OUT), 0);
    assert_true(guest_get_u64(OUT) == 5);
    assert_int_equal(wasi_unstable_fd_seek(fd, 0, 1, OUT), 0);
    assert_true(guest_get_u64(OUT) == 10);
    assert_int_equal(wasi_unstable_fd_seek(fd, 0, 3, OUT), INVAL);
}

static void append_writes_at_the_end(void **state)
{
    (void)state;
    uint32_t fd = open_new("file");

    put(fd, "one");
    assert_int_equal(wasi_fd_fdstat_set_flags(fd, WASI_FDFLAG_APPEND_BIT), 0);
    assert_int_equal(wasi_fd_seek(fd, 0, WASI_WHENCE_SET, OUT), 0);
    put(fd, "two");
    assert_int_equal(wasi_fd_tell(fd, OUT), 0);
    assert_true(guest_get_u64(OUT) == 6);
    assert_int_equal(wasi_fd_fdstat_set_flags(fd, 0x20), INVAL);
}

static void rights_can_only_shrink(void **state)
{
    (void)state;
    uint32_t fd = open_new("file");

    assert_int_equal(wasi_fd_fdstat_get(fd, OUT), 0);
    assert_true(guest_get_u64(OUT + 8) == WASI_RIGHTS_FILE);
    assert_int_equal(wasi_fd_fdstat_set_rights(fd, WASI_RIGHT_FD_READ_BIT, 0), 0);
    assert_int_equal(
        wasi_fd_fdstat_set_rights(fd, WASI_RIGHT_FD_READ_BIT | WASI_RIGHT_FD_WRITE_BIT, 0),
        NOTCAPABLE);
    guest_put_iovec(IOV, DATA, 1);
    assert_int_equal(wasi_fd_write(fd, IOV, 1, OUT), NOTCAPABLE);
    assert_int_equal(wasi_fd_read(fd, IOV, 1, OUT), 0);
    assert_int_equal(wasi_fd_filestat_set_size(fd, 0), NOTCAPABLE);
    assert_int_equal(wasi_fd_filestat_get(fd, OUT), NOTCAPABLE);
}

static void a_directory_hands_on_no_more_than_it_has(void **state)
{
    (void)state;
    assert_int_equal(wasi_path_create_directory(3, PATH, guest_put_text(PATH, "dir")), 0);
    assert_int_equal(wasi_path_open(3, 0, PATH, 3, WASI_OFLAG_DIRECTORY_BIT,
                                    WASI_RIGHT_PATH_OPEN_BIT | WASI_RIGHT_PATH_LINK_SOURCE_BIT |
                                        WASI_RIGHT_PATH_LINK_TARGET_BIT |
                                        WASI_RIGHT_PATH_RENAME_SOURCE_BIT,
                                    WASI_RIGHT_FD_READ_BIT, 0, OUT),
                     0);
    uint32_t fd = guest_get_u32(OUT);
    (void)open_new("dir/file");

    assert_int_equal(open_path(fd, "file", 0, 0), NOTCAPABLE); /* inheriting asks for too much */
    uint32_t length = guest_put_text(PATH, "file");
    assert_int_equal(wasi_path_open(fd, 0, PATH, length, 0, WASI_RIGHT_FD_READ_BIT, 0, 0, OUT), 0);
    assert_int_equal(wasi_path_open(fd, 0, PATH, length, 0, WASI_RIGHT_FD_WRITE_BIT, 0, 0, OUT),
                     NOTCAPABLE);
    assert_int_equal(wasi_path_open(fd, 0, PATH, length, WASI_OFLAG_TRUNC_BIT, 0, 0, 0, OUT),
                     NOTCAPABLE);
    assert_int_equal(wasi_path_open(fd, 0, PATH, length, WASI_OFLAG_CREAT_BIT, 0, 0, 0, OUT),
                     NOTCAPABLE);
    /* Neither a link nor another name must carry the file to where more is allowed. */
    assert_int_equal(wasi_path_rename(fd, PATH, length, 3, PATH2, guest_put_text(PATH2, "gained")),
                     NOTCAPABLE);
    assert_int_equal(wasi_path_link(fd, 0, PATH, length, 3, PATH2, guest_put_text(PATH2, "gained")),
                     NOTCAPABLE);
}

static void renumber_closes_its_target(void **state)
{
    (void)state;
    uint32_t a = open_new("a");
    uint32_t b = open_new("b");

    put(a, "from a");
    assert_int_equal(wasi_fd_renumber(a, b), 0);
    assert_int_equal(wasi_fd_close(a), BADF);
    assert_int_equal(wasi_fd_seek(b, 0, WASI_WHENCE_SET, OUT), 0);
    assert_int_equal(get(b, 10), 6);
    assert_int_equal(wasi_fd_renumber(b, a), BADF);
    assert_int_equal(wasi_fd_renumber(99, b), BADF);
    assert_int_equal(wasi_fd_renumber(b, b), 0);
    /* A preopen moves like any other, and its old number is no preopen any more. */
    assert_int_equal(wasi_fd_renumber(4, b), 0);
    assert_int_equal(wasi_fd_prestat_get(4, OUT), BADF);
    assert_int_equal(wasi_fd_prestat_get(b, OUT), 0);
    assert_int_equal(open_new("c"), 4);
}

static void directories_refuse_data_calls(void **state)
{
    (void)state;
    guest_put_iovec(IOV, DATA, 1);
    assert_int_equal(wasi_fd_read(3, IOV, 1, OUT), ISDIR);
    assert_int_equal(wasi_fd_write(3, IOV, 1, OUT), ISDIR);
    assert_int_equal(wasi_fd_pread(3, IOV, 1, 0, OUT), ISDIR);
    assert_int_equal(wasi_fd_pwrite(3, IOV, 1, 0, OUT), ISDIR);
    assert_int_equal(wasi_fd_tell(3, OUT), ISDIR);
    assert_int_equal(wasi_fd_allocate(3, 0, 1), ISDIR);
    assert_int_equal(wasi_fd_filestat_set_size(3, 0), ISDIR);
    assert_int_equal(wasi_fd_advise(3, 0, 1, 0), BADF);
}

static void sizes_and_allocation(void **state)
{
    (void)state;
    uint32_t fd = open_new("file");

    assert_int_equal(wasi_fd_filestat_set_size(fd, 100), 0);
    assert_int_equal(wasi_fd_allocate(fd, 50, 100), 0);
    assert_int_equal(wasi_fd_filestat_get(fd, OUT), 0);
    assert_true(guest_get_u64(OUT + 32) == 150);
    assert_int_equal(*guest_at(OUT + 16), WASI_FILETYPE_REGULAR_FILE);
    assert_int_equal(wasi_unstable_fd_filestat_get(fd, OUT), 0);
    assert_true(guest_get_u64(OUT + 24) == 150);
    assert_int_equal(guest_get_u32(OUT + 20), 1);
    assert_int_equal(wasi_fd_allocate(fd, 0, 0), INVAL);
    assert_int_equal(wasi_fd_allocate(fd, UINT64_MAX, 1), INVAL);
    assert_int_equal(wasi_fd_allocate(fd, 1, UINT64_MAX), FBIG);
    assert_int_equal(wasi_fd_filestat_set_size(fd, UINT64_MAX), FBIG);
    assert_int_equal(wasi_fd_filestat_set_size(1, 0), INVAL);
    assert_int_equal(wasi_fd_advise(fd, 0, 10, 5), 0);
    assert_int_equal(wasi_fd_advise(fd, 0, 10, 6), INVAL);
    assert_int_equal(wasi_fd_advise(1, 0, 10, 0), SPIPE);
    assert_int_equal(wasi_fd_sync(fd), 0);
    assert_int_equal(wasi_fd_datasync(fd), 0);
    assert_int_equal(wasi_fd_sync(99), BADF);
}

static void times_follow_the_flags(void **state)
{
    (void)state;
    uint32_t fd = open_new("file");

    assert_int_equal(
        wasi_fd_filestat_set_times(fd, 111, 222, WASI_FST_ATIM_BIT | WASI_FST_MTIM_BIT), 0);
    assert_int_equal(wasi_fd_filestat_get(fd, OUT), 0);
    assert_true(guest_get_u64(OUT + 40) == 111);
    assert_true(guest_get_u64(OUT + 48) == 222);
    assert_int_equal(wasi_fd_filestat_set_times(fd, 333, 0, WASI_FST_ATIM_BIT), 0);
    uint32_t length = guest_put_text(PATH, "file");
    assert_int_equal(wasi_path_filestat_set_times(3, 0, PATH, length, 0, 0, WASI_FST_MTIM_NOW_BIT),
                     0);
    assert_int_equal(wasi_path_filestat_get(3, 0, PATH, length, OUT), 0);
    assert_true(guest_get_u64(OUT + 40) == 333);
    assert_true(guest_get_u64(OUT + 48) == fake_kernel.now_ns + fake_kernel.realtime_offset_ns);
    assert_int_equal(wasi_fd_filestat_set_times(fd, 0, 0, 3), INVAL);
    assert_int_equal(wasi_fd_filestat_set_times(fd, 0, 0, 12), INVAL);
    assert_int_equal(wasi_fd_filestat_set_times(fd, 0, 0, 16), INVAL);
    assert_int_equal(wasi_fd_filestat_set_times(fd, UINT64_MAX, 0, WASI_FST_ATIM_BIT), INVAL);
    assert_int_equal(wasi_fd_filestat_set_times(1, 0, 0, WASI_FST_ATIM_BIT), INVAL);
}

static void descriptors_without_files_have_stats(void **state)
{
    (void)state;
    fake_kernel.is_terminal[1] = true;
    assert_int_equal(wasi_fd_fdstat_get(1, OUT), 0);
    assert_int_equal(*guest_at(OUT), WASI_FILETYPE_CHARACTER_DEVICE);
    assert_int_equal(wasi_fd_fdstat_get(2, OUT), 0);
    assert_int_equal(*guest_at(OUT), WASI_FILETYPE_UNKNOWN);
    assert_int_equal(wasi_fd_filestat_get(0, OUT), 0);
    assert_int_equal(wasi_fd_filestat_get(99, OUT), BADF);
    assert_int_equal(wasi_fd_fdstat_get(0, FAKE_MEMORY_BYTES - 23), FAULT);
}

static void thousands_of_descriptors_can_be_open(void **state)
{
    (void)state;
    (void)open_new("file");
    uint32_t length = guest_put_text(PATH, "file");

    for (uint32_t i = 6; i < 70000; i++) {
        assert_int_equal(wasi_path_open(3, 0, PATH, length, 0, WASI_RIGHT_FD_READ_BIT, 0, 0, OUT),
                         0);
        assert_int_equal(guest_get_u32(OUT), i);
    }
    assert_int_equal(wasi_fd_close(1234), 0);
    assert_int_equal(wasi_path_open(3, 0, PATH, length, 0, 0, 0, 0, OUT), 0);
    assert_int_equal(guest_get_u32(OUT), 1234);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(preopens_start_at_three),
        cmocka_unit_test_setup_teardown(a_listener_does_not_hide_directories, set_up_with_listener,
                                        tear_down),
        TEST(files_keep_what_is_written),
        TEST(pread_and_pwrite_leave_the_offset_alone),
        TEST(seek_moves_by_all_three_origins),
        TEST(old_seek_translates_whence),
        TEST(append_writes_at_the_end),
        TEST(rights_can_only_shrink),
        TEST(a_directory_hands_on_no_more_than_it_has),
        TEST(renumber_closes_its_target),
        TEST(directories_refuse_data_calls),
        TEST(sizes_and_allocation),
        TEST(times_follow_the_flags),
        TEST(descriptors_without_files_have_stats),
        TEST(thousands_of_descriptors_can_be_open),
    };

    return cmocka_run_group_tests_name("wasi_fd", tests, NULL, NULL);
}
