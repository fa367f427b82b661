/* scripts/mktar.py and the tree that fs/ makes of its archives, together. Run in the root. */
#define _GNU_SOURCE
#include "fs/fs.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/ramfs.h"
#include "tests/unit/fake_fs_kernel.h"
#include "tests/unit/vfs_helpers.h"

static char folder[64];
static uint8_t *archive;

static const char *at(const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

static void put(const char *name, const char *text)
{
    FILE *file = fopen(at(name), "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int setup(void **state)
{
    (void)state;
    fake_reset();
    root = NULL;
    archive = NULL;
    snprintf(folder, sizeof(folder), "/tmp/wafer-mktar-XXXXXX");
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    char command[128];
    if (root != NULL) {
        ramfs_destroy(root);
    }
    free(archive);
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command);
}

static int run(const char *arguments)
{
    char command[1024];
    snprintf(command, sizeof(command), "scripts/mktar.py -o %s/out.tar %s 2>%s/messages", folder,
             arguments, folder);
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static size_t archive_read(void)
{
    struct stat status;
    int file = open(at("out.tar"), O_RDONLY);
    assert_true(file >= 0 && fstat(file, &status) == 0);
    archive = malloc((size_t)status.st_size);
    assert_int_equal(read(file, archive, (size_t)status.st_size), status.st_size);
    close(file);
    return (size_t)status.st_size;
}

static void load(void)
{
    size_t size_bytes = archive_read();
    assert_int_equal(fs_create(archive, size_bytes, 0, &root), ERR_OK);
    assert_int_equal(fake_warning_count, 0);
}

static void test_round_trip(void **state)
{
    (void)state;
    char name[256];
    char path[512];
    memset(name, 'n', 255);
    name[255] = '\0';
    assert_int_equal(mkdir(at("host"), 0755), 0);
    assert_int_equal(mkdir(at("host/empty"), 0755), 0);
    snprintf(path, sizeof(path), "host/%s", name);
    assert_int_equal(mkdir(at(path), 0755), 0);
    snprintf(path, sizeof(path), "host/%s/%.100s", name, name);
    put(path, "long name");
    put("host/gr\xc3\xbc\xc3\x9f", "utf-8");
    put("host/plain", "plain");
    assert_int_equal(link(at("host/plain"), at("host/zlink")), 0);
    assert_int_equal(symlink("../srv/plain", at("host/symbolic")), 0);
    assert_int_equal(mkfifo(at("host/fifo"), 0600), 0);
    const struct timespec times[2] = {{.tv_sec = 11}, {.tv_sec = 12, .tv_nsec = 500}};
    assert_int_equal(utimensat(AT_FDCWD, at("host/plain"), times, 0), 0);
    assert_int_equal(mkdir(at("top"), 0755), 0);
    put("top/index.html", "page");

    snprintf(path, sizeof(path), "%s/host::/srv %s/top::/ %s/top::./deep/er/", folder, folder,
             folder);
    assert_int_equal(run(path), 0);
    load();
    snprintf(path, sizeof(path), "srv/%s/%.100s", name, name);
    t_assert_file(path, "long name");
    t_assert_file("srv/gr\xc3\xbc\xc3\x9f", "utf-8");
    t_assert_file("srv/symbolic", "plain");
    t_assert_file("index.html", "page");
    t_assert_file("deep/er/index.html", "page");
    assert_string_equal(t_list("srv/empty"), "");
    assert_int_equal(t_stat("srv/plain").link_count, 2);
    assert_int_equal(t_stat("srv/plain").inode, t_stat("srv/zlink").inode);
    assert_int_equal(t_stat("srv/plain").modify_time_ns, 12000000000ull);
    assert_int_equal(t_open_status("srv/fifo", 0), ERR_NOENT);
}

static void test_nothing_and_empty_directories(void **state)
{
    (void)state;
    char arguments[512];
    assert_int_equal(run(""), 0);
    assert_int_equal(mkdir(at("host"), 0755), 0);
    snprintf(arguments, sizeof(arguments), "%s/host::/data", folder);
    assert_int_equal(run(arguments), 0);
    load();
    assert_string_equal(t_list("."), "data tmp");
}

static void test_bad_usage(void **state)
{
    (void)state;
    char arguments[512];
    assert_int_equal(run("nowhere::/"), 2);
    assert_int_equal(run("no-separator"), 2);
    snprintf(arguments, sizeof(arguments), "%s::../up", folder);
    assert_int_equal(run(arguments), 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_round_trip),
        TEST(test_nothing_and_empty_directories),
        TEST(test_bad_usage),
    };
    return cmocka_run_group_tests_name("mktar", tests, NULL, NULL);
}
