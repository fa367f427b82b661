/*
 * Writes and syncs without end, and says what is on the disk for good:
 *
 *   writer DIRECTORY        continues after what it finds
 *   writer DIRECTORY COUNT  stops after so many files
 *   writer DIRECTORY -1     writes 300 files, syncs none, and computes for ever
 *
 * File number i holds i + 1 lines "i"; file i - 40 is removed after file i was synced. The file
 * `log` has one line for each file ever written. "synced i" on standard output promises all that.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEPT  40
#define LINES 300

static const char *directory;

static void fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static const char *path_of(int number)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/d%d/f%d", directory, number % 4, number);
    return path;
}

static void write_file(int number)
{
    char temporary[256];
    snprintf(temporary, sizeof(temporary), "%s/new", directory);
    FILE *file = fopen(temporary, "w");
    if (file == NULL) {
        fail(temporary);
    }
    for (int line = 0; line <= number % LINES; line++) {
        fprintf(file, "%d\n", number);
    }
    if (fflush(file) != 0 || fsync(fileno(file)) != 0 || fclose(file) != 0) {
        fail("writing");
    }
    if (rename(temporary, path_of(number)) != 0) {
        fail("rename");
    }
}

static int log_open(int *count)
{
    char path[256];
    char bytes[4096];
    ssize_t got;
    snprintf(path, sizeof(path), "%s/log", directory);
    int log = open(path, O_RDWR | O_CREAT | O_APPEND, 0644);
    if (log < 0) {
        fail(path);
    }
    *count = 0;
    while ((got = read(log, bytes, sizeof(bytes))) > 0) {
        for (ssize_t i = 0; i < got; i++) {
            *count += bytes[i] == '\n';
        }
    }
    return log;
}

static _Noreturn void write_and_hang(void)
{
    for (int i = 0; i < 300; i++) {
        char path[256];
        snprintf(path, sizeof(path), "%s/u%d", directory, i);
        FILE *file = fopen(path, "w");
        if (file == NULL || fprintf(file, "unsynced %d\n", i) < 0 || fclose(file) != 0) {
            fail(path);
        }
    }
    printf("written\n");
    fflush(stdout);
    for (volatile unsigned turns = 0;; turns++) {
    }
}

int main(int argc, char **argv)
{
    directory = argc > 1 ? argv[1] : "/data";
    if (argc > 2 && atoi(argv[2]) < 0) {
        write_and_hang();
    }
    int limit = argc > 2 ? atoi(argv[2]) : 1 << 30;
    int count;
    int log = log_open(&count);
    for (int i = 0; i < 4; i++) {
        char path[256];
        snprintf(path, sizeof(path), "%s/d%d", directory, i);
        if (mkdir(path, 0755) != 0 && errno != EEXIST) {
            fail(path);
        }
    }
    printf("found %d\n", count);
    for (; count < limit; count++) {
        char line[32];
        write_file(count);
        int length = snprintf(line, sizeof(line), "%d\n", count);
        if (write(log, line, (size_t)length) != length || fsync(log) != 0) {
            fail("log");
        }
        printf("synced %d\n", count);
        fflush(stdout);
        if (count >= KEPT && unlink(path_of(count - KEPT)) != 0) {
            fail("unlink");
        }
    }
    return 0;
}
