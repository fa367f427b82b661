/*
 * Does what its arguments say to a mounted directory and prints what it finds; tests/mount/run.py
 * knows what that must be. The first argument names the directory.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <wasi/api.h>

#define MANY 1000

static _Noreturn void fail(const char *what)
{
    printf("FAILED: %s: %s\n", what, strerror(errno));
    exit(1);
}

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            printf("line %d: ", __LINE__);                                                         \
            fail(#condition);                                                                      \
        }                                                                                          \
    } while (0)
#define CHECK_ERROR(call, number) CHECK((call) < 0 && errno == (number))

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    CHECK(fd >= 0);
    CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    CHECK(close(fd) == 0);
}

static const char *read_file(const char *path)
{
    static char text[4096];
    int fd = open(path, O_RDONLY);
    CHECK(fd >= 0);
    ssize_t bytes = read(fd, text, sizeof(text) - 1);
    CHECK(bytes >= 0);
    text[bytes] = '\0';
    CHECK(close(fd) == 0);
    return text;
}

static int count_entries(const char *path)
{
    DIR *directory = opendir(path);
    int count = 0;
    CHECK(directory != NULL);
    errno = 0;
    while (readdir(directory) != NULL) {
        count++;
    }
    CHECK(errno == 0);
    closedir(directory);
    return count;
}

static off_t size_of(const char *path)
{
    struct stat status;
    CHECK(stat(path, &status) == 0);
    return status.st_size;
}

/* ---- What POSIX users expect; leaves results for the host to look at --------------------------
 */

static void data(void)
{
    struct stat status;
    write_file("text", "one two three");
    CHECK(strcmp(read_file("text"), "one two three") == 0);
    int fd = open("text", O_WRONLY | O_APPEND);
    CHECK(fd >= 0 && write(fd, " four", 5) == 5 && close(fd) == 0);
    CHECK(truncate("text", 7) == 0 || errno == ENOSYS);
    fd = open("text", O_RDWR);
    CHECK(fd >= 0 && ftruncate(fd, 7) == 0 && fstat(fd, &status) == 0 && status.st_size == 7);
    CHECK(pwrite(fd, "!", 1, 100000) == 1 && fsync(fd) == 0 && fdatasync(fd) == 0);
    char byte = 'x';
    CHECK(pread(fd, &byte, 1, 5000) == 1 && byte == 0);
    CHECK(lseek(fd, 0, SEEK_END) == 100001 && read(fd, &byte, 1) == 0);
    CHECK(close(fd) == 0);
    const struct timespec times[2] = {{1000000000, 123456789}, {1100000000, 987654321}};
    CHECK(utimensat(AT_FDCWD, "text", times, 0) == 0);
    CHECK(stat("text", &status) == 0 && status.st_mtim.tv_sec == 1100000000 &&
          status.st_mtim.tv_nsec == 987654321 && status.st_atim.tv_sec == 1000000000);
    CHECK_ERROR(open("text", O_WRONLY | O_CREAT | O_EXCL, 0666), EEXIST);
    CHECK_ERROR(open("none", O_RDONLY), ENOENT);
    CHECK_ERROR(open("text/none", O_RDONLY), ENOTDIR);
}

static void names(void)
{
    struct stat status;
    CHECK(mkdir("dir", 0777) == 0 && mkdir("dir/sub", 0777) == 0);
    CHECK_ERROR(mkdir("dir", 0777), EEXIST);
    CHECK_ERROR(rmdir("dir"), ENOTEMPTY);
    CHECK_ERROR(unlink("dir"), EISDIR);
    write_file("dir/a", "a");
    CHECK(rename("dir/a", "dir/sub/b") == 0);
    CHECK_ERROR(open("dir/a", O_RDONLY), ENOENT);
    write_file("c", "c");
    CHECK(rename("c", "dir/sub/b") == 0 && strcmp(read_file("dir/sub/b"), "c") == 0);
    CHECK(rename("dir/sub/b", "dir/sub/b") == 0);
    CHECK_ERROR(rename("dir", "dir/sub/dir"), EINVAL);
    CHECK_ERROR(rename("dir", "text"), ENOTDIR);
    CHECK_ERROR(rename("text", "dir"), EISDIR);
    CHECK(link("dir/sub/b", "hard") == 0 && stat("hard", &status) == 0 && status.st_nlink == 2);
    CHECK(rename("hard", "dir/sub/b") == 0 && unlink("hard") == 0);
    CHECK(symlink("dir/sub/b", "soft") == 0 && strcmp(read_file("soft"), "c") == 0);
    CHECK(lstat("soft", &status) == 0 && S_ISLNK(status.st_mode));
    char target[64];
    CHECK(readlink("soft", target, sizeof(target)) == 9 && memcmp(target, "dir/sub/b", 9) == 0);
    CHECK(rename("dir/sub", "moved") == 0 && strcmp(read_file("moved/b"), "c") == 0);
    CHECK(rmdir("dir") == 0);
    char name[300];
    memset(name, 'n', sizeof(name));
    name[255] = '\0';
    write_file(name, "long");
    CHECK(unlink(name) == 0);
    write_file("\xc3\xa4 \xe2\x82\xac", "utf-8");
}

static void open_without_name(void)
{
    struct stat status;
    char text[8] = "";
    int before = count_entries(".");
    int fd = open("gone", O_RDWR | O_CREAT, 0666);
    CHECK(fd >= 0 && write(fd, "12345", 5) == 5 && unlink("gone") == 0);
    CHECK_ERROR(open("gone", O_RDONLY), ENOENT);
    CHECK(count_entries(".") == before);
    CHECK(fstat(fd, &status) == 0 && status.st_size == 5 && status.st_nlink == 0);
    CHECK(ftruncate(fd, 3) == 0 && pread(fd, text, sizeof(text), 0) == 3);
    CHECK(pwrite(fd, "6", 1, 3) == 1 && fstat(fd, &status) == 0 && status.st_size == 4);
    CHECK(close(fd) == 0);
    /* The same where another file takes the name, from inside a directory that goes too. */
    CHECK(mkdir("late", 0777) == 0);
    write_file("late/old", "old");
    write_file("new", "newer");
    fd = open("late/old", O_RDONLY);
    int again = open("late/old", O_RDONLY);
    CHECK(fd >= 0 && again >= 0 && rename("new", "late/old") == 0);
    CHECK(fstat(fd, &status) == 0 && status.st_size == 3 && status.st_nlink == 0);
    CHECK(fstat(again, &status) == 0 && status.st_size == 3);
    CHECK(strcmp(read_file("late/old"), "newer") == 0 && unlink("late/old") == 0);
    CHECK(rmdir("late") == 0 && pread(fd, text, 3, 0) == 3 && memcmp(text, "old", 3) == 0);
    CHECK(close(fd) == 0 && close(again) == 0);
    /* This one stays open: the end of the machine removes it. */
    fd = open("gone", O_RDWR | O_CREAT, 0666);
    CHECK(fd >= 0 && unlink("gone") == 0);
}

/* One entry a call: wasi-libc's telldir cuts cookies to 32 bits. */
struct listing {
    int directory;
    __wasi_dirent_t entry;
    char name[256];
};

static int next_entry(struct listing *listing)
{
    uint8_t buffer[sizeof(listing->entry) + 255];
    __wasi_size_t bytes;
    CHECK(__wasi_fd_readdir(listing->directory, buffer, sizeof(buffer), listing->entry.d_next,
                            &bytes) == 0);
    if (bytes == 0) {
        return 0;
    }
    memcpy(&listing->entry, buffer, sizeof(listing->entry));
    memcpy(listing->name, buffer + sizeof(listing->entry), listing->entry.d_namlen);
    listing->name[listing->entry.d_namlen] = '\0';
    return 1;
}

static void many(void)
{
    char path[64];
    static char seen[MANY]; /* how often */
    CHECK(mkdir("many", 0777) == 0);
    for (int i = 0; i < MANY; i++) {
        snprintf(path, sizeof(path), "many/file-number-%d", i);
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0666);
        CHECK(fd >= 0 && close(fd) == 0);
    }
    int directory = open("many", O_RDONLY | O_DIRECTORY);
    struct listing listing = {.directory = directory};
    CHECK(directory >= 0);
    int dots = 0;
    uint64_t middle = 0;
    for (int count = 0; next_entry(&listing); count++) {
        int number = -1;
        if (listing.name[0] == '.') {
            dots++;
            continue;
        }
        CHECK(sscanf(listing.name, "file-number-%d", &number) == 1 && number >= 0 && number < MANY);
        CHECK(listing.entry.d_type == __WASI_FILETYPE_REGULAR_FILE && seen[number]++ == 0);
        if (count == 500) {
            struct stat status;
            snprintf(path, sizeof(path), "many/%s", listing.name);
            CHECK(stat(path, &status) == 0 && status.st_ino == listing.entry.d_ino);
        }
        middle = count == 500 ? listing.entry.d_next : middle;
    }
    CHECK(dots == 2 && memchr(seen, 0, MANY) == NULL);
    int rest = 0;
    listing = (struct listing){.directory = directory, .entry.d_next = middle};
    while (next_entry(&listing)) {
        rest++;
    }
    CHECK(rest == MANY + 2 - 501 && close(directory) == 0);
    for (int i = 0; i < MANY; i += 2) {
        snprintf(path, sizeof(path), "many/file-number-%d", i);
        CHECK(unlink(path) == 0);
    }
    CHECK(count_entries("many") == MANY / 2 + 2);
}

/* ---- Live: in step with the host over standard input ------------------------------------------
 */

static void step(const char *said)
{
    char line[16];
    puts(said);
    fflush(stdout);
    CHECK(fgets(line, sizeof(line), stdin) != NULL);
}

static void live(void)
{
    struct stat status;
    write_file("shared", "guest");
    int fd = open("shared", O_RDWR);
    CHECK(fd >= 0 && fstat(fd, &status) == 0);
    step("written"); /* the host appends, makes a file and a directory */
    char text[32] = "";
    CHECK(fstat(fd, &status) == 0 && status.st_size == 10);
    CHECK(pread(fd, text, sizeof(text), 0) == 10 && memcmp(text, "guest-host", 10) == 0);
    CHECK(strcmp(read_file("from-host/file"), "hello") == 0);
    CHECK(pwrite(fd, "GUEST", 5, 0) == 5);
    step("again"); /* the host sees that, removes the file and renames the directory */
    CHECK_ERROR(open("shared", O_RDONLY), ENOENT);
    CHECK(pread(fd, text, 5, 0) == 5 && memcmp(text, "GUEST", 5) == 0);
    CHECK_ERROR(open("from-host/file", O_RDONLY), ENOENT);
    CHECK(strcmp(read_file("renamed/file"), "hello") == 0);
    CHECK(count_entries("renamed") == 3);
    step("looked"); /* the host truncates and replaces */
    CHECK(size_of("renamed/file") == 2);
    CHECK(strcmp(read_file("renamed/other"), "other") == 0);
    puts("live");
}

/* ---- Nothing outside the mount ----------------------------------------------------------------
 */

static void escape(void)
{
    static const char *const paths[] = {
        "../secret",           "absolute/passwd",   "absolute",     "up/secret",      "file-up",
        "inside/../../secret", "inside/up2/secret", "chain/secret", "inside/file-up2"};
    struct stat status;
    for (unsigned i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        errno = 0;
        CHECK(open(paths[i], O_RDONLY) < 0);
        CHECK(stat(paths[i], &status) < 0);
        CHECK(open(paths[i], O_WRONLY | O_CREAT, 0666) < 0);
        CHECK(opendir(paths[i]) == NULL);
    }
    CHECK(lstat("absolute", &status) == 0 && S_ISLNK(status.st_mode));
    CHECK(rename("inside/own", "../stolen") < 0 && link("inside/own", "../stolen") < 0);
    CHECK(rename("inside/own", "up/stolen") < 0 && symlink("x", "up/stolen") < 0);
    CHECK(mkdir("up/stolen", 0777) < 0 && mkdir("absolute/stolen", 0777) < 0);
    CHECK(symlink("/etc", "made") < 0);
    CHECK(symlink("../..", "made") == 0 && open("made/secret", O_RDONLY) < 0);
    CHECK(strcmp(read_file("fine"), "own") == 0);
    CHECK(open("pipe", O_RDONLY) < 0 && stat("pipe", &status) == 0);
    puts("contained");
}

static void read_only(void)
{
    CHECK(strcmp(read_file("text"), "fixed") == 0);
    CHECK_ERROR(open("text", O_WRONLY), EROFS);
    CHECK_ERROR(open("new", O_WRONLY | O_CREAT, 0666), EROFS);
    CHECK_ERROR(unlink("text"), EROFS);
    CHECK_ERROR(mkdir("new", 0777), EROFS);
    CHECK_ERROR(rename("text", "new"), EROFS);
    CHECK_ERROR(symlink("text", "new"), EROFS);
    CHECK(strcmp(read_file("text"), "fixed") == 0);
    puts("read-only");
}

/* What the host forbids its user is forbidden here, by the call that asks for it. */
static void rights(void)
{
    char byte;
    CHECK_ERROR(open("unreadable", O_RDONLY), EACCES);
    CHECK_ERROR(open("fixed", O_WRONLY), EACCES);
    CHECK_ERROR(open("fixed", O_RDWR), EACCES);
    CHECK_ERROR(open("fixed", O_WRONLY | O_TRUNC), EACCES);
    CHECK(strcmp(read_file("fixed"), "fixed") == 0);
    int fd = open("write-only", O_WRONLY);
    CHECK(fd >= 0 && pwrite(fd, "X", 1, 0) == 1);
    CHECK(read(fd, &byte, 1) < 0 && close(fd) == 0);
    CHECK_ERROR(open("closed/new", O_WRONLY | O_CREAT, 0666), EACCES);
    CHECK_ERROR(mkdir("closed/new", 0777), EACCES);
    CHECK_ERROR(unlink("closed/file"), EACCES);
    CHECK(strcmp(read_file("closed/file"), "file") == 0);
    CHECK_ERROR(open("locked/file", O_RDONLY), EACCES);
    puts("rights");
}

/* ---- A big file: copied, and its bytes added up ------------------------------------------------
 */

static void copy(void)
{
    static unsigned char buffer[1 << 20];
    unsigned long long sum = 0;
    int from = open("big", O_RDONLY);
    int to = open("big.copy", O_WRONLY | O_CREAT | O_TRUNC, 0666);
    CHECK(from >= 0 && to >= 0);
    ssize_t bytes;
    while ((bytes = read(from, buffer, sizeof(buffer))) > 0) {
        CHECK(write(to, buffer, (size_t)bytes) == bytes);
        for (ssize_t i = 0; i < bytes; i += 997) {
            sum += buffer[i];
        }
    }
    CHECK(bytes == 0 && close(to) == 0 && close(from) == 0);
    printf("copied %llu\n", sum);
}

int main(int count, char **arguments)
{
    CHECK(count > 2 && chdir(arguments[1]) == 0);
    for (int i = 2; i < count; i++) {
        const char *what = arguments[i];
        if (strcmp(what, "files") == 0) {
            data();
            names();
            open_without_name();
            many();
            puts("files");
        } else if (strcmp(what, "live") == 0) {
            live();
        } else if (strcmp(what, "escape") == 0) {
            escape();
        } else if (strcmp(what, "read-only") == 0) {
            read_only();
        } else if (strcmp(what, "rights") == 0) {
            rights();
        } else if (strcmp(what, "copy") == 0) {
            copy();
        } else {
            fail(what);
        }
    }
    return 0;
}
