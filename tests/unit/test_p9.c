/*
 * fs/p9 against a server on this machine that is honest, fails, or lies.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/p9/p9.h"
#include "fs/p9/p9_node.h"
#include "kernel/mem.h"
#include "tests/fuzz/fs_steps.h"
#include "tests/unit/fake_fs_kernel.h"
#include "tests/unit/fake_p9.h"
#include "tests/unit/vfs_helpers.h"

static struct fake_p9 fake;

static void mount(void)
{
    assert_int_equal(p9_mount(&fake.channel, 7, &root), ERR_OK);
}

/* The last reference to the root is the mount's end. */
static void unmount(void)
{
    struct p9_mount *mounted = p9_node_of(root)->mount;
    p9_unmount(root);
    vfs_node_put(root);
    p9_client_destroy(&mounted->client);
    heap_free(mounted);
    root = NULL;
    assert_int_equal(fake_live_pages, 0);
    fake.channel.is_mounted = false;
}

static int setup(void **state)
{
    (void)state;
    fake_reset();
    fake_p9_start(&fake);
    mount();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unmount();
    fake_p9_stop(&fake);
    return 0;
}

/* A path in the server's folder. */
static const char *host(const char *name)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/%s", fake.folder, name);
    return path;
}

static void host_write(const char *name, const char *text)
{
    FILE *file = fopen(host(name), "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void test_files_and_names(void **state)
{
    (void)state;
    t_write_file("f", "12345");
    t_assert_file("f", "12345");
    assert_int_equal(t_mkdir("d"), ERR_OK);
    assert_int_equal(t_rename("f", "d/g"), ERR_OK);
    assert_int_equal(t_link("d/g", "h"), ERR_OK);
    assert_int_equal(t_stat("h").link_count, 2);
    assert_int_equal(t_stat("h").device, 7);
    assert_int_equal(t_symlink("d/g", "l"), ERR_OK);
    t_assert_file("l", "12345");
    assert_int_equal(t_stat("l").type, VFS_TYPE_SYMLINK);
    assert_int_equal(strlen(t_list(".")), 5); /* in the host's order */
    assert_int_equal(t_rmdir("d"), ERR_NOTEMPTY);
    assert_int_equal(t_unlink("d/g"), ERR_OK);
    assert_int_equal(t_rmdir("d"), ERR_OK);
    assert_int_equal(t_open_status("l", VFS_OPEN_FOLLOW), ERR_NOENT);
    assert_int_equal(t_open_status("h", VFS_OPEN_CREATE | VFS_OPEN_EXCLUSIVE), ERR_EXIST);
    struct vfs_node *file;
    assert_int_equal(t_open("h", VFS_OPEN_WRITE, &file), ERR_OK);
    assert_int_equal(vfs_set_size(file, 3), ERR_OK);
    assert_int_equal(vfs_set_times(file, 1000000000000000001ull, 0), ERR_OK);
    assert_int_equal(vfs_sync(file, true), ERR_OK);
    assert_int_equal(vfs_sync(root, false), ERR_OK);
    assert_int_equal(vfs_allocate(file, 1, 2), ERR_OK); /* it is as long already */
    assert_int_equal(t_stat("h").size_bytes, 3);
    assert_int_equal(vfs_allocate(file, 2, 4), ERR_OK);
    assert_int_equal(t_stat("h").size_bytes, 6);
    assert_int_equal(vfs_set_size(file, 3), ERR_OK);
    assert_int_equal(vfs_set_times(file, 1000000000000000001ull, 0), ERR_OK);
    vfs_node_put(file);
    assert_int_equal(t_stat("h").access_time_ns, 1000000000000000001ull);
    assert_int_equal(t_stat("h").modify_time_ns, 0);
    t_assert_file("h", "123");
    assert_int_equal(fake_p9_fids_in_use(&fake), 2); /* the root, and open for the sync */
}

static void test_live(void **state)
{
    (void)state;
    struct vfs_node *file;
    host_write("f", "one");
    assert_int_equal(t_open("f", 0, &file), ERR_OK);
    t_assert_data(file, 0, "one", 3);
    host_write("f", "twice");
    t_assert_data(file, 0, "twice", 5);
    t_assert_size(file, 5);
    host_write("g", "");
    assert_int_equal(strlen(t_list(".")), 3);
    assert_int_equal(unlink(host("g")), 0);
    assert_string_equal(t_list("."), "f");
    vfs_node_put(file);
    /* Another file takes the name of an open one: ours is never taken for it. */
    struct vfs_stat stat;
    assert_int_equal(t_open("f", VFS_OPEN_WRITE, &file), ERR_OK);
    char moved[256];
    snprintf(moved, sizeof(moved), "%s", host("moved"));
    assert_int_equal(rename(host("f"), moved), 0);
    host_write("f", "another");
    t_assert_data(file, 0, "twice", 5);
    assert_int_equal(vfs_stat(file, &stat), ERR_NOENT);
    assert_int_equal(vfs_set_size(file, 0), ERR_NOENT);
    assert_int_equal(rename(moved, host("f")), 0);
    assert_int_equal(vfs_stat(file, &stat), ERR_OK);
    /* The same just before its name is removed here. */
    host_write("f2", "other");
    assert_int_equal(t_link("f", "f3"), ERR_OK);
    snprintf(moved, sizeof(moved), "%s", host("f"));
    assert_int_equal(rename(host("f2"), moved), 0);
    assert_int_equal(t_unlink("f3"), ERR_OK);
    assert_int_equal(vfs_stat(file, &stat), ERR_NOENT);
    t_assert_data(file, 0, "twice", 5);
    vfs_node_put(file);
    t_assert_file("f", "other");
    assert_int_equal(strlen(t_list(".")), 1);
    /* A file that the host makes between the look-up and the creation. */
    fake.is_faster = true;
    assert_int_equal(t_open_status("new", VFS_OPEN_CREATE), ERR_OK);
    assert_int_equal(t_open_status("newer", VFS_OPEN_CREATE | VFS_OPEN_EXCLUSIVE), ERR_EXIST);
    fake.is_faster = false;
}

/* Everything a path can do to get out; the server's links point to real secrets. */
static void test_sandbox(void **state)
{
    (void)state;
    assert_int_equal(symlink("/etc", host("etc")), 0);
    assert_int_equal(symlink("..", host("up")), 0);
    assert_int_equal(symlink("up", host("chain")), 0);
    assert_int_equal(mkdir(host("d"), 0777), 0);
    assert_int_equal(symlink("../..", host("d/up")), 0);
    assert_int_equal(symlink("loop", host("loop")), 0);
    static const char *const paths[] = {"..",        "../x",   "etc/passwd", "up/x", "chain/x",
                                        "d/../../x", "d/up/x", "d/up",       "etc",  "/etc/passwd"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        assert_int_equal(t_open_status(paths[i], VFS_OPEN_FOLLOW), ERR_NOTCAPABLE);
    }
    assert_int_equal(t_open_status("loop", VFS_OPEN_FOLLOW), ERR_LOOP);
    assert_int_equal(mkfifo(host("pipe"), 0600), 0);
    assert_int_equal(t_open_status("pipe", 0), ERR_NOTSUP);
    assert_int_equal(t_stat("pipe").type, VFS_TYPE_UNKNOWN);
}

static void test_open_files_lose_their_names(void **state)
{
    (void)state;
    struct vfs_node *first;
    struct vfs_node *second;
    struct vfs_stat stat;
    t_write_file("f", "12345");
    assert_int_equal(t_open("f", VFS_OPEN_WRITE, &first), ERR_OK);
    assert_int_equal(t_open("f", 0, &second), ERR_OK);
    assert_int_equal(t_unlink("f"), ERR_OK);
    assert_string_equal(t_list("."), "");
    assert_int_equal(vfs_set_size(first, 2), ERR_OK);
    assert_int_equal(vfs_stat(second, &stat), ERR_OK);
    assert_int_equal(stat.size_bytes, 2);
    assert_int_equal(stat.link_count, 0);
    t_assert_data(second, 0, "12", 2);
    vfs_node_put(second);
    t_assert_size(first, 2);
    /* The same for a file that another replaces. */
    t_write_file("g", "new");
    t_write_file("h", "old");
    assert_int_equal(t_open("h", 0, &second), ERR_OK);
    assert_int_equal(t_rename("g", "h"), ERR_OK);
    t_assert_file("h", "new");
    t_assert_size(second, 3);
    t_assert_data(second, 0, "old", 3);
    /* A link that the host refuses: data all the same. */
    assert_int_equal(t_unlink("h"), ERR_OK);
    t_write_file("i", "link");
    vfs_node_put(second);
    assert_int_equal(t_open("i", 0, &second), ERR_OK);
    fake.fail_type = P9_TLINK;
    fake.fail_errno = EPERM;
    assert_int_equal(t_unlink("i"), ERR_OK);
    t_assert_data(second, 0, "link", 4);
    assert_int_equal(vfs_stat(second, &stat), ERR_NOENT);
    vfs_node_put(second);
    /* `first` is still open: the end removes its name. */
    p9_unmount(root);
    assert_int_equal(rmdir(fake.folder), 0);
    assert_int_equal(mkdir(fake.folder, 0777), 0);
    vfs_node_put(first);
}

static void check_listing(unsigned count)
{
    static bool seen[1000];
    uint64_t cookie = 0;
    struct vfs_dirent entry;
    memset(seen, 0, sizeof(seen));
    for (unsigned i = 0; i < count + 2; i++) {
        assert_int_equal(vfs_read_directory(root, cookie, &entry), ERR_OK);
        if (i >= 2) {
            unsigned number = 0;
            for (size_t digit = 1; digit < entry.name_bytes; digit++) {
                number = number * 10 + (unsigned)(entry.name[digit] - '0');
            }
            assert_true(number < 1000 && !seen[number]);
            seen[number] = true;
        }
        /* What was read may be read again: a caller whose buffer was too small. */
        assert_int_equal(vfs_read_directory(root, cookie, &entry), ERR_OK);
        cookie = entry.next_cookie;
    }
    assert_int_equal(vfs_read_directory(root, cookie, &entry), ERR_NOENT);
}

static void test_listings(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        char name[16];
        snprintf(name, sizeof(name), "n%u", i);
        host_write(name, "");
    }
    check_listing(1000);
    assert_in_range(fake.requests[P9_TREADDIR], 2, 10);
    fake.io_bytes_max = 100; /* two or three entries at once */
    check_listing(1000);
    fake.io_bytes_max = 24; /* not one: an end, not an endless loop */
    struct vfs_dirent entry;
    assert_int_equal(vfs_read_directory(root, 0, &entry), ERR_OK);
    assert_int_equal(vfs_read_directory(root, 2, &entry), ERR_NOENT);
}

/* A large transfer in the pieces that the server takes. */
static void check_transfer(void)
{
    static uint8_t data[600001];
    struct vfs_node *file;
    size_t written;
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)(i * 2654435761u >> 13);
    }
    assert_int_equal(t_open("big", VFS_OPEN_CREATE | VFS_OPEN_WRITE, &file), ERR_OK);
    assert_int_equal(vfs_write(file, 5, data, sizeof(data), &written), ERR_OK);
    assert_int_equal(written, sizeof(data));
    for (size_t at = 0; at < sizeof(data);) {
        struct vfs_span span;
        assert_int_equal(vfs_read_span(file, 5 + at, sizeof(data), &span), ERR_OK);
        assert_in_range(span.size_bytes, 1, sizeof(data) - at);
        assert_false(span.permanent);
        assert_memory_equal(span.data, data + at, span.size_bytes);
        at += span.size_bytes;
    }
    vfs_node_put(file);
    assert_int_equal(t_unlink("big"), ERR_OK);
}

static void test_transfers(void **state)
{
    (void)state;
    check_transfer();
    assert_int_equal(fake.requests[P9_TWRITE], 3);
    fake.io_bytes_max = 1000;
    check_transfer();
    fake.io_bytes_max = 7; /* less than a header */
    struct vfs_node *file;
    size_t written;
    t_write_file("f", "A text that goes in small pieces, each over the last one's header.");
    t_assert_file("f", "A text that goes in small pieces, each over the last one's header.");
    fake.io_bytes_max = UINT32_MAX;
    unmount();
    fake.message_bytes_max = P9_DATA_BYTES_MIN + P9_IO_HEADER_BYTES;
    mount();
    check_transfer();
    assert_int_equal(t_open("f", VFS_OPEN_WRITE, &file), ERR_OK);
    fake.fail_type = P9_TWRITE;
    fake.fail_errno = ENOSPC;
    assert_int_equal(vfs_write(file, 0, "x", 1, &written), ERR_NOSPC);
    vfs_node_put(file);
}

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        uint32_t number;
        enum err err;
    } errors[] = {{EACCES, ERR_ACCES},   {EPERM, ERR_PERM},        {EROFS, ERR_ROFS},
                  {EDQUOT, ERR_NOSPC},   {ESTALE, ERR_NOENT},      {EIO, ERR_IO},
                  {ENOTSUP, ERR_NOTSUP}, {0x7fffffff, ERR_IO},     {0, ERR_IO},
                  {ELOOP, ERR_LOOP},     {ENOTEMPTY, ERR_NOTEMPTY}};
    t_write_file("f", "");
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        fake.fail_errno = errors[i].number;
        fake.fail_type = P9_TLOPEN;
        if (errors[i].number != 0) { /* the fake takes 0 for success */
            assert_int_equal(t_open_status("f", 0), errors[i].err);
            fake.fail_type = P9_TMKDIR;
            assert_int_equal(t_mkdir("d"), errors[i].err);
        }
    }
    fake.fail_type = 0;
    assert_int_equal(t_open_status("f", VFS_OPEN_WRITE), ERR_OK);
    assert_int_equal(fake_p9_fids_in_use(&fake), 1);
    assert_int_equal(fake_error_count, 0);
}

static void test_want_of_memory(void **state)
{
    (void)state;
    host_write("f", "text");
    assert_int_equal(mkdir(host("d"), 0777), 0);
    assert_int_equal(symlink("../f", host("d/l")), 0);
    for (size_t left = 0; left < 12; left++) {
        struct vfs_dirent entry;
        fake_allocations_left = left;
        (void)!t_open_status("d/l", VFS_OPEN_FOLLOW);
        (void)!t_open_status("new", VFS_OPEN_CREATE);
        (void)!vfs_read_directory(root, 2, &entry);
        fake_allocations_left = SIZE_MAX;
        assert_int_equal(t_open_status("d/l", VFS_OPEN_FOLLOW), ERR_OK);
        assert_int_equal(fake_p9_fids_in_use(&fake), 2); /* the root, and for listing */
    }
    unmount();
    for (size_t left = 0; left < 4; left++) {
        fake_allocations_left = left;
        assert_int_equal(p9_mount(&fake.channel, 7, &root), ERR_NOMEM);
        assert_int_equal(fake_live_pages, 0);
    }
    fake_allocations_left = SIZE_MAX;
    fake_p9_stop(&fake);
    fake_p9_start(&fake);
    mount();
    /* The second mount of a channel would end the first. */
    struct vfs_node *again;
    assert_int_equal(p9_mount(&fake.channel, 8, &again), ERR_BUSY);
}

/* ---- Lies -------------------------------------------------------------------------------------
 */

static struct {
    uint32_t offset;
    uint32_t value;
    unsigned bytes;
    int32_t size_change;
} lie;

static void tell_lie(uint8_t *reply, uint32_t *size_bytes)
{
    memcpy(reply + lie.offset, &lie.value, lie.bytes);
    *size_bytes = (uint32_t)((int32_t)*size_bytes + lie.size_change);
}

static void exercise(void)
{
    struct vfs_node *file;
    struct vfs_stat stat;
    struct vfs_dirent entry;
    struct vfs_span span;
    size_t written;
    (void)!t_open_status("l", VFS_OPEN_FOLLOW);
    (void)!t_mkdir("d");
    (void)!vfs_stat(root, &stat);
    (void)!vfs_read_directory(root, 2, &entry);
    if (t_open("f", VFS_OPEN_WRITE, &file) == ERR_OK) {
        (void)!vfs_read_span(file, 0, 4, &span);
        (void)!vfs_write(file, 0, "xyz", 3, &written);
        vfs_node_put(file);
    }
}

static void test_lies(void **state)
{
    (void)state;
    static const struct {
        uint8_t type;
        uint32_t offset;
        uint32_t value;
        unsigned bytes;
        int32_t size_change;
    } lies[] = {
        {0, 0, 3, 4, 0},                     /* a size below the header's */
        {0, 0, 0xffffffff, 4, 0},            /* beyond what was written */
        {0, 4, 99, 1, 0},                    /* another type */
        {0, 5, 77, 2, 0},                    /* another tag */
        {0, 0, 0, 0, -1},                    /* less than the size says */
        {P9_TWALK, 7, 2, 2, 0},              /* two qids for one name */
        {P9_TWALK, 7, 0, 2, 0},              /* none */
        {P9_TWALK, 0, 9, 4, 0},              /* cut behind the count */
        {P9_TGETATTR, 0, 100, 4, 0},         /* cut in the middle */
        {P9_TREAD, 7, 5, 4, 0},              /* more than was asked for */
        {P9_TREAD, 7, 0xffffffff, 4, 0},     /* much more */
        {P9_TREAD, 0, 12, 4, 0},             /* more than was sent */
        {P9_TWRITE, 7, 4, 4, 0},             /* more than there was */
        {P9_TWRITE, 7, 0, 4, 0},             /* nothing */
        {P9_TREADDIR, 7, 0x10000, 4, 0},     /* more than was sent */
        {P9_TREADDIR, 33, 0xffff, 2, 0},     /* a name beyond the batch */
        {P9_TREADDIR, 33, 0, 2, 0},          /* no name */
        {P9_TREADDIR, 35, '/', 1, 0},        /* a path for a name */
        {P9_TREADDIR, 35, 0, 1, 0},          /* a NUL in it */
        {P9_TREADDIR, 24, 0xffffffff, 4, 0}, /* with the next: an offset without a cookie */
        {P9_TREADLINK, 7, 0xffff, 2, 0},     /* a target beyond the reply */
    };
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        host_write("f", "1234");
        (void)!symlink("f", host("l"));
        lie.offset = lies[i].offset;
        lie.value = lies[i].value;
        lie.bytes = lies[i].bytes;
        lie.size_change = lies[i].size_change;
        fake_error_count = 0;
        fake.lie_type = lies[i].type;
        fake.lie = tell_lie;
        exercise();
        fake.lie = NULL;
        if (lies[i].offset != 24) { /* half an offset is still one */
            struct vfs_stat stat;
            if (fake_error_count != 1) {
                fail_msg("lie %zu was told %u times", i, fake_error_count);
            }
            assert_int_equal(vfs_stat(root, &stat), ERR_IO);
        }
        unmount();
        fake_p9_stop(&fake);
        fake_p9_start(&fake);
        mount();
    }
}

static void test_silence(void **state)
{
    (void)state;
    struct vfs_node *file;
    struct vfs_stat stat;
    t_write_file("f", "text");
    assert_int_equal(t_open("f", 0, &file), ERR_OK);
    fake.is_silent = true;
    assert_int_equal(vfs_stat(file, &stat), ERR_IO);
    fake.is_silent = false;
    unsigned before = fake.requests[P9_TGETATTR];
    assert_int_equal(vfs_stat(file, &stat), ERR_IO);
    assert_int_equal(fake.requests[P9_TGETATTR], before);
    vfs_node_put(file);
    assert_int_equal(fake_error_count, 1);
}

static void other_version(uint8_t *reply, uint32_t *size_bytes)
{
    (void)size_bytes;
    reply[13] = 'X';
}

static void test_refused_mounts(void **state)
{
    (void)state;
    unmount();
    fake_p9_stop(&fake);
    fake_p9_start(&fake);
    fake.message_bytes_max = 4096;
    assert_int_equal(p9_mount(&fake.channel, 7, &root), ERR_NOTSUP);
    fake.message_bytes_max = 1 << 20;
    fake.lie = other_version;
    fake.lie_type = P9_TVERSION;
    assert_int_equal(p9_mount(&fake.channel, 7, &root), ERR_NOTSUP);
    fake.lie = NULL;
    fake.fail_type = P9_TATTACH;
    fake.fail_errno = EACCES;
    assert_int_equal(p9_mount(&fake.channel, 7, &root), ERR_ACCES);
    fake.fail_type = 0;
    fake.is_silent = true;
    assert_int_equal(p9_mount(&fake.channel, 7, &root), ERR_IO);
    fake.is_silent = false;
    mount();
    /* Refused with both rights, granted with one. */
    t_write_file("f", "");
    fake.refuses_read_write = true;
    assert_int_equal(t_open_status("f", VFS_OPEN_WRITE), ERR_OK);
    assert_int_equal(fake.requests[P9_TLOPEN], 2);
}

static void test_against_a_model(void **state)
{
    (void)state;
    static uint8_t bytes[3000];
    unsigned seed = 9;
    fs_steps_start();
    for (unsigned round = 0; round < 6; round++) {
        for (size_t i = 0; i < sizeof(bytes); i++) {
            bytes[i] = (uint8_t)(rand_r(&seed) >> 8);
        }
        fs_steps_run(root, bytes, sizeof(bytes));
        fs_steps_compare(root);
        unmount();
        mount();
        fs_steps_compare(root);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_files_and_names),
        TEST(test_live),
        TEST(test_sandbox),
        TEST(test_open_files_lose_their_names),
        TEST(test_listings),
        TEST(test_transfers),
        TEST(test_errors),
        TEST(test_want_of_memory),
        TEST(test_lies),
        TEST(test_silence),
        TEST(test_refused_mounts),
        TEST(test_against_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
