/*
 * Measures the file system from inside: one line "name nanoseconds" a figure, each for one
 * operation or, for data, for one MiB.
 *
 *   files DIRECTORY COUNT MEBIBYTES
 *
 * makes COUNT files in one directory, opens, stats, lists and removes them, then writes and
 * reads one file of so many MiB.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void report(const char *name, uint64_t start_ns, unsigned count)
{
    printf("%s %llu\n", name, (unsigned long long)(now_ns() - start_ns) / count);
}

static const char *name_of(const char *directory, unsigned number)
{
    static char path[300];
    snprintf(path, sizeof(path), "%s/many/file-%u", directory, number);
    return path;
}

static void measure_names(const char *directory, unsigned count)
{
    char path[300];
    struct stat status;
    uint64_t start_ns = now_ns();
    for (unsigned i = 0; i < count; i++) {
        int file = open(name_of(directory, i), O_CREAT | O_EXCL | O_WRONLY, 0644);
        if (file < 0 || write(file, "0123456789", 10) != 10 || close(file) != 0) {
            fail("create");
        }
    }
    report("create", start_ns, count);
    start_ns = now_ns();
    for (unsigned i = 0; i < count; i++) {
        if (stat(name_of(directory, i), &status) != 0) {
            fail("stat");
        }
    }
    report("stat", start_ns, count);
    start_ns = now_ns();
    for (unsigned i = 0; i < count; i++) {
        int file = open(name_of(directory, i), O_RDONLY);
        if (file < 0 || close(file) != 0) {
            fail("open");
        }
    }
    report("open", start_ns, count);
    snprintf(path, sizeof(path), "%s/many", directory);
    start_ns = now_ns();
    unsigned entries = 0;
    DIR *list = opendir(path);
    while (readdir(list) != NULL) {
        entries++;
    }
    closedir(list);
    report("readdir", start_ns, entries);
    start_ns = now_ns();
    for (unsigned i = 0; i < count; i++) {
        if (unlink(name_of(directory, i)) != 0) {
            fail("unlink");
        }
    }
    report("unlink", start_ns, count);
}

static void measure_data(const char *directory, unsigned mebibytes)
{
    static char block[65536];
    char path[300];
    uint64_t bytes = (uint64_t)mebibytes << 20;
    snprintf(path, sizeof(path), "%s/large", directory);
    int file = open(path, O_CREAT | O_RDWR, 0644);
    uint64_t start_ns = now_ns();
    for (uint64_t done = 0; done < bytes; done += sizeof(block)) {
        if (write(file, block, sizeof(block)) != sizeof(block)) {
            fail("write");
        }
    }
    report("write-MiB", start_ns, mebibytes);
    start_ns = now_ns();
    if (fsync(file) != 0) {
        fail("fsync");
    }
    report("fsync-MiB", start_ns, mebibytes);
    start_ns = now_ns();
    for (uint64_t done = 0; done < bytes; done += sizeof(block)) {
        if (pread(file, block, sizeof(block), (off_t)done) != sizeof(block)) {
            fail("read");
        }
    }
    report("read-MiB", start_ns, mebibytes);
    start_ns = now_ns();
    for (int i = 0; i < 100; i++) {
        if (pwrite(file, block, 4096, (off_t)i * 40960) != 4096 || fsync(file) != 0) {
            fail("pwrite");
        }
    }
    report("write-4K-fsync", start_ns, 100);
    close(file);
    unlink(path);
}

int main(int argc, char **argv)
{
    const char *directory = argc > 1 ? argv[1] : "/tmp";
    unsigned count = argc > 2 ? (unsigned)atoi(argv[2]) : 10000;
    unsigned mebibytes = argc > 3 ? (unsigned)atoi(argv[3]) : 64;
    char path[300];
    snprintf(path, sizeof(path), "%s/many", directory);
    if (mkdir(path, 0755) != 0) {
        fail(path);
    }
    measure_names(directory, count);
    rmdir(path);
    measure_data(directory, mebibytes);
    return 0;
}
