/*
 * Each allocation of the WASI layer and the file system fails once, at every place of a list of
 * calls: the call answers with an errno for want of memory and has changed nothing, so that
 * the same call succeeds afterwards, and so does everything that follows. Then memory stays
 * exhausted for good: every call answers, and nothing leaks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fs/fs.h"
#include "fs/ramfs.h"
#include "tests/unit/fail_nth.h"
#include "tests/unit/fake_dns.h"
#include "tests/unit/fake_net_socket.h"
#include "tests/unit/fake_wasi.h"
#include "wasi/calls.h"
#include "wasi/sock_wamr.h"
#include "wasi/types.h"

enum { EXIST = 20, NOBUFS = 42, NOMEM = 48, NOSPC = 51 };
enum { PATH = 0x1000, PATH2 = 0x3000, OUT = 0x5000, OUT2 = 0x5010, IOV = 0x5100, DATA = 0x10000 };
/* 0 to 2 are the console, 3 the listener, 4 the directory; opened files follow. */
enum { LISTENER = 3, ROOT = 4, FIRST_FREE = 5 };
enum { PAGES_BIG = 40, NAMES = 60, OPEN_MANY = 70, SUBSCRIPTIONS = 200 };

static struct wasi_preopen preopen = {.guest_path = "/"};
static struct wasi_config config;
static struct vfs_node *root;
static struct net_socket *listener_socket;

static void begin(void)
{
    static const struct wasi_listener listener = {{0, 0, 0, 0}, 8080};

    config = (struct wasi_config){.preopens = &preopen,
                                  .preopen_count = 1,
                                  .network = (struct net_stack *)&config,
                                  .listeners = &listener,
                                  .listener_count = 1};
    memset(&fake_kernel, 0, sizeof(fake_kernel));
    memset(&fake_dns, 0, sizeof(fake_dns));
    fake_connect_answer = ERR_OK;
    assert_int_equal(fs_create(NULL, 0, 0, &root), ERR_OK);
    assert_int_equal(fs_open_preopen(root, "/", &preopen.directory), ERR_OK);
    size_t blocks = fake_kernel.allocations;
    fake_begin(&config);
    fake_kernel.allocations += blocks;
    listener_socket = fake_socket_last;
}

/* The file tree and the instance go; nothing of either is left. */
static void end(void)
{
    fake_kernel.allocations_ignored = true;
    fake_end();
    ramfs_destroy(root);
    assert_int_equal(fake_kernel.allocations, 0);
    assert_int_equal(fake_kernel.pages, 0);
    assert_int_equal(fake_socket_count, 0);
    assert_int_equal(fake_dns.open_count, 0);
}

/* ---- The list of calls: each can be repeated after it failed ------------------------------------
 */

static uint32_t open_path(const char *path, uint32_t oflags)
{
    return wasi_path_open(ROOT, WASI_LOOKUP_SYMLINK_FOLLOW_BIT, PATH, guest_put_text(PATH, path),
                          oflags, WASI_RIGHTS_ALL, WASI_RIGHTS_ALL, 0, OUT);
}

static uint32_t write_at(uint32_t fd, uint64_t offset, uint32_t size_bytes)
{
    uint32_t done = 0;

    while (done < size_bytes) {
        guest_put_iovec(IOV, DATA + done, size_bytes - done);
        uint32_t error = wasi_fd_pwrite(fd, IOV, 1, offset + done, OUT);
        if (error != 0) {
            return error;
        }
        assert_in_range(guest_get_u32(OUT), 1, size_bytes - done);
        done += guest_get_u32(OUT);
    }
    return 0;
}

static uint32_t make_directory(void)
{
    return wasi_path_create_directory(ROOT, PATH, guest_put_text(PATH, "directory"));
}

static uint32_t create_file(void)
{
    uint32_t error = open_path("directory/file", WASI_OFLAG_CREAT_BIT | WASI_OFLAG_EXCL_BIT);

    assert_true(error != 0 || guest_get_u32(OUT) == FIRST_FREE);
    return error;
}

static uint32_t write_small(void)
{
    return write_at(FIRST_FREE, 0, 100);
}

static uint32_t write_large(void)
{
    for (uint32_t i = 0; i < PAGES_BIG * 4096; i++) {
        *guest_at(DATA + i) = (uint8_t)(i * 31 >> 3);
    }
    return write_at(FIRST_FREE, 50, PAGES_BIG * 4096);
}

static uint32_t write_far(void)
{
    return write_at(FIRST_FREE, 1ull << 33, 5000);
}

static uint32_t allocate(void)
{
    return wasi_fd_allocate(FIRST_FREE, 1u << 20, 10000);
}

static uint32_t read_back(void)
{
    guest_put_iovec(IOV, DATA + 0x40000, PAGES_BIG * 4096);
    uint32_t error = wasi_fd_pread(FIRST_FREE, IOV, 1, 50, OUT);

    if (error == 0 && fail_nth.mode == FAIL_NTH_ONCE) {
        assert_int_equal(guest_get_u32(OUT), PAGES_BIG * 4096);
        assert_memory_equal(guest_at(DATA), guest_at(DATA + 0x40000), PAGES_BIG * 4096);
        memset(guest_at(DATA + 0x40000), 0, PAGES_BIG * 4096);
    }
    return error;
}

static uint32_t cut_short(void)
{
    return wasi_fd_filestat_set_size(FIRST_FREE, 30);
}

static uint32_t make_symlink(void)
{
    uint32_t target_bytes = guest_put_text(PATH2, "directory/../directory");

    return wasi_path_symlink(PATH2, target_bytes, ROOT, PATH, guest_put_text(PATH, "link"));
}

static uint32_t open_through_symlink(void)
{
    return open_path("link/file", 0);
}

static uint32_t make_hard_link(void)
{
    uint32_t new_bytes = guest_put_text(PATH2, "other");

    return wasi_path_link(ROOT, 0, PATH, guest_put_text(PATH, "directory/file"), ROOT, PATH2,
                          new_bytes);
}

static uint32_t rename_link(void)
{
    uint32_t new_bytes = guest_put_text(PATH2, "directory/renamed");

    return wasi_path_rename(ROOT, PATH, guest_put_text(PATH, "other"), ROOT, PATH2, new_bytes);
}

/* Enough names for every structure behind a directory to grow. */
static uint32_t fill_directory(void)
{
    for (unsigned i = 0; i < NAMES; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "directory/name-%u", i);
        uint32_t error = wasi_path_create_directory(ROOT, PATH, guest_put_text(PATH, name));
        /* A repetition finds what it made before. */
        if (error != 0 && error != EXIST) {
            return error;
        }
    }
    return 0;
}

static uint32_t list_directory(void)
{
    uint32_t fd;
    uint32_t error = wasi_path_open(ROOT, 0, PATH, guest_put_text(PATH, "directory"),
                                    WASI_OFLAG_DIRECTORY_BIT, WASI_RIGHT_FD_READDIR_BIT, 0, 0, OUT);

    if (error != 0) {
        return error;
    }
    fd = guest_get_u32(OUT);
    error = wasi_fd_readdir(fd, DATA + 0x40000, 0x4000, 0, OUT2);
    memset(guest_at(DATA + 0x40000), 0, 0x4000);
    assert_int_equal(wasi_fd_close(fd), 0);
    return error;
}

/* Enough descriptors for the table to grow, and back. */
static uint32_t open_many(void)
{
    uint32_t fds[OPEN_MANY];
    uint32_t count = 0;
    uint32_t error = 0;

    while (count < OPEN_MANY && error == 0) {
        error = open_path("directory/file", 0);
        if (error == 0) {
            fds[count++] = guest_get_u32(OUT);
        }
    }
    while (count > 0) {
        assert_int_equal(wasi_fd_close(fds[--count]), 0);
    }
    return error;
}

static uint32_t renumber_far(void)
{
    uint32_t error = open_path("directory/file", 0);

    if (error != 0) {
        return error;
    }
    uint32_t fd = guest_get_u32(OUT);
    /* The target must be open: opened files are numbered without gaps. */
    error = wasi_fd_renumber(fd, FIRST_FREE + 1);
    assert_true(error == 0 || wasi_fd_close(fd) == 0);
    return error;
}

static uint32_t poll_many(void)
{
    for (uint32_t i = 0; i < SUBSCRIPTIONS; i++) {
        uint32_t at = DATA + 0x40000 + i * WASI_SUBSCRIPTION_BYTES;
        memset(guest_at(at), 0, WASI_SUBSCRIPTION_BYTES);
        *guest_at(at + 8) = i == 0 ? WASI_EVENT_CLOCK : WASI_EVENT_FD_READ;
        guest_put_u32(at + 16, i == 0 ? WASI_CLOCK_MONOTONIC : LISTENER);
        guest_put_u64(at + 24, i == 0 ? 1000 : 0);
    }
    return wasi_poll_oneoff(DATA + 0x40000, DATA + 0x50000, SUBSCRIPTIONS, OUT);
}

static uint32_t open_socket(void)
{
    uint32_t error = wasi_edge_sock_open(1, 2, OUT);

    return error != 0 ? error : wasi_fd_close(guest_get_u32(OUT));
}

/* A connection that could not get a descriptor waits until it gets one. */
static uint32_t accept_connection(void)
{
    if (listener_socket->waiting == NULL) {
        fake_socket_arrive(listener_socket);
    }
    uint32_t error = wasi_sock_accept(LISTENER, 0, OUT);

    return error != 0 ? error : wasi_fd_close(guest_get_u32(OUT));
}

static uint32_t resolve(void)
{
    guest_put_text(PATH, "example");
    *guest_at(PATH + 7) = 0;
    guest_put_text(PATH2, "80");
    *guest_at(PATH2 + 2) = 0;
    memset(guest_at(OUT2), 0, 64);
    fake_dns.result.address_count = 1;
    return wasi_wamr_sock_addr_resolve(PATH, PATH2, OUT2, DATA + 0x40000, 4, OUT);
}

static uint32_t remove_file(void)
{
    return wasi_path_unlink_file(ROOT, PATH, guest_put_text(PATH, "directory/file"));
}

static uint32_t remove_directory(void)
{
    return wasi_path_remove_directory(ROOT, PATH, guest_put_text(PATH, "directory/name-7"));
}

static const struct {
    const char *name;
    uint32_t (*run)(void);
} steps[] = {
#define STEP(name) {#name, name}
    STEP(make_directory), STEP(create_file),  STEP(write_small),
    STEP(write_large),    STEP(read_back),    STEP(write_far),
    STEP(allocate),       STEP(make_symlink), STEP(open_through_symlink),
    STEP(make_hard_link), STEP(rename_link),  STEP(fill_directory),
    STEP(list_directory), STEP(open_many),    STEP(renumber_far),
    STEP(poll_many),      STEP(open_socket),  STEP(accept_connection),
    STEP(resolve),        STEP(remove_file),  STEP(remove_directory),
    STEP(cut_short),
#undef STEP
};
#define STEP_COUNT (sizeof(steps) / sizeof(steps[0]))

static bool is_want_of_memory(uint32_t error)
{
    return error == NOMEM || error == NOSPC || error == NOBUFS;
}

static void run_steps(size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        uint32_t error = steps[i].run();
        if (error != 0) {
            fail_msg("%s answered %u", steps[i].name, error);
        }
    }
}

/* Step `tried` with its n-th allocation failing; returns whether it has so many. */
static bool fail_once(size_t tried, uint64_t n, size_t *errors)
{
    begin();
    run_steps(0, tried);
    fail_nth_start(n, FAIL_NTH_ONCE);
    uint32_t error = steps[tried].run();
    bool has_failed = fail_nth_stop();
    if (error != 0) {
        (*errors)++;
        if (!has_failed || !is_want_of_memory(error)) {
            fail_msg("%s answered %u when allocation %u failed", steps[tried].name, error,
                     (unsigned)n);
        }
        run_steps(tried, tried + 1);
    }
    run_steps(tried + 1, STEP_COUNT);
    end();
    return has_failed;
}

static void each_allocation_fails_once(void **state)
{
    size_t failures = 0;
    size_t errors = 0;

    (void)state;
    for (size_t tried = 0; tried < STEP_COUNT; tried++) {
        for (uint64_t n = 1; fail_once(tried, n, &errors); n++) {
            failures++;
        }
    }
    print_message("%zu allocations failed, %zu calls answered with an error\n", failures, errors);
    assert_true(failures > 100);
    assert_true(errors > 50);
}

static void memory_stays_exhausted(void **state)
{
    (void)state;
    for (uint64_t n = 1;; n++) {
        begin();
        fail_nth_start(n, FAIL_NTH_FOR_GOOD);
        for (size_t i = 0; i < STEP_COUNT; i++) {
            (void)steps[i].run();
        }
        bool has_failed = fail_nth_stop();
        end();
        if (!has_failed) {
            break;
        }
    }
}

/* Beginning itself: an error, and nothing left. */
static void beginning_fails(void **state)
{
    (void)state;
    for (uint64_t n = 1; fail_nth_next(n, FAIL_NTH_ONCE); n++) {
        memset(&fake_kernel, 0, sizeof(fake_kernel));
        enum err error = fs_create(NULL, 0, 0, &root);
        assert_true(error == ERR_OK || error == ERR_NOMEM);
        if (error == ERR_OK) {
            ramfs_destroy(root);
        }
        assert_int_equal(fake_kernel.allocations, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(beginning_fails),
        cmocka_unit_test(each_allocation_fails_once),
        cmocka_unit_test(memory_stays_exhausted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
