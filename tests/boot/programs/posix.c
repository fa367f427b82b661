/*
 * What POSIX users expect of files and descriptors, in large: 65,536 open descriptors, 100,000
 * files, files without names, holes, a full file system; and buffers that are not where they
 * should be. Prints a line for each part.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wasi/api.h>

#define OPEN_COUNT 65536
#define FILES      100000
#define HUGE       (1ll << 40)

static void check(const char *what, bool holds)
{
    printf("%s: %s\n", what, holds ? "yes" : "no");
}

/* 0, 1 and 2 are streams, 3 is the directory. */
static void descriptors(void)
{
    bool rises = true, lowest = true;
    char text[4] = "";

    close(open("/tmp/d", O_CREAT | O_WRONLY, 0666));
    for (int i = 4; i < OPEN_COUNT; i++) {
        rises &= open("/tmp/d", O_RDWR) == i;
    }
    check("descriptors rise", rises);
    static const int holes[] = {65535, 4, 4096, 64, 40000};
    static const int filled[] = {4, 64, 4096, 40000, 65535};
    for (int i = 0; i < 5; i++) {
        lowest &= close(holes[i]) == 0 && close(holes[i]) == -1 && errno == EBADF;
    }
    for (int i = 0; i < 5; i++) {
        lowest &= open("/tmp/d", O_RDWR) == filled[i];
    }
    check("the lowest comes first", lowest);
    bool moved = write(50000, "ab", 2) == 2 && __wasi_fd_renumber(50000, 7) == 0 &&
                 lseek(7, 0, SEEK_CUR) == 2 && pread(7, text, 4, 0) == 2 && text[1] == 'b' &&
                 read(50000, text, 1) == -1 && errno == EBADF &&
                 __wasi_fd_renumber(50000, 8) == __WASI_ERRNO_BADF &&
                 __wasi_fd_renumber(8, 262144) == __WASI_ERRNO_BADF &&
                 __wasi_fd_renumber(8, 8) == 0 && lseek(8, 0, SEEK_CUR) == 0 &&
                 open("/tmp/d", O_RDWR) == 50000;
    check("renumbered", moved);
    bool closed = true;
    for (int i = 4; i < OPEN_COUNT; i++) {
        closed &= close(i) == 0;
    }
    check("closed", closed);
}

static void data(void)
{
    struct stat stat;
    char text[16] = "";
    int file = open("/tmp/u", O_CREAT | O_RDWR, 0666);
    int end = open("/tmp/u", O_WRONLY | O_APPEND);

    check("append", write(file, "12", 2) == 2 && write(end, "34", 2) == 2 &&
                        write(file, "5", 1) == 1 && write(end, "67", 2) == 2 &&
                        pread(file, text, 16, 0) == 6 && memcmp(text, "125467", 6) == 0);
    check("truncated", ftruncate(file, 3) == 0 && ftruncate(file, 5) == 0 &&
                           pread(file, text, 16, 0) == 5 && memcmp(text, "125\0\0", 5) == 0);
    check("sparse", pwrite(file, "x", 1, HUGE) == 1 && fstat(file, &stat) == 0 &&
                        stat.st_size == HUGE + 1 && pread(file, text, 4, HUGE - 3) == 4 &&
                        memcmp(text, "\0\0\0x", 4) == 0);
    check("unlinked", unlink("/tmp/u") == 0 && open("/tmp/u", O_RDONLY) == -1 && errno == ENOENT &&
                          pread(file, text, 1, 1) == 1 && text[0] == '2' &&
                          fstat(file, &stat) == 0 && stat.st_nlink == 0);
    close(file);
    close(end);
}

static void full(void)
{
    static char piece[1 << 16];
    int file = open("/tmp/full", O_CREAT | O_WRONLY, 0666);
    long long total = 0;
    ssize_t count;

    memset(piece, 'f', sizeof(piece));
    while ((count = write(file, piece, sizeof(piece))) > 0) {
        total += count;
    }
    check("full", count == -1 && errno == ENOSPC && total > 8 << 20);
    check("and more is refused", mkdir("/tmp/more", 0777) == 0 || errno == ENOSPC);
    check("emptied", unlink("/tmp/full") == 0 && close(file) == 0);
    file = open("/tmp/again", O_CREAT | O_WRONLY, 0666);
    check("and used again", write(file, piece, sizeof(piece)) == sizeof(piece));
    close(file);
}

static void many(void)
{
    char name[40];
    bool made = mkdir("/tmp/m", 0777) == 0, removed = true;
    int count = 0;

    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof(name), "/tmp/m/%d", i);
        int file = open(name, O_CREAT | O_EXCL | O_WRONLY, 0666);
        made &= file >= 0 && close(file) == 0;
    }
    DIR *directory = opendir("/tmp/m");
    while (directory != NULL && readdir(directory) != NULL) {
        count++;
    }
    check("100,000 files", made && count == FILES + 2);
    closedir(directory);
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof(name), "/tmp/m/%d", i);
        removed &= unlink(name) == 0;
    }
    check("and none", removed && rmdir("/tmp/m") == 0);
}

static void buffers(void)
{
    uint8_t *end = (uint8_t *)(__builtin_wasm_memory_size(0) << 16);
    __wasi_size_t done = 77;
    __wasi_iovec_t in[2];
    __wasi_ciovec_t out[2] = {{end - 3, 3}, {end, 0}};
    int file = open("/tmp/b", O_CREAT | O_RDWR, 0666);

    check("up to the end of memory", __wasi_fd_write(file, out, 2, &done) == 0 && done == 3);
    out[0].buf_len = 4;
    in[0] = (__wasi_iovec_t){(uint8_t *)1, UINT32_MAX};
    in[1] = (__wasi_iovec_t){(uint8_t *)1, 2};
    check("and no further", __wasi_fd_write(file, out, 1, &done) == __WASI_ERRNO_FAULT &&
                                __wasi_fd_pread(file, in, 1, 0, &done) == __WASI_ERRNO_FAULT &&
                                __wasi_random_get(end - 1, UINT32_MAX) == __WASI_ERRNO_FAULT &&
                                __wasi_random_get(end, 1) == __WASI_ERRNO_FAULT &&
                                __wasi_random_get(end, 0) == 0);
    check("sums", __wasi_fd_pread(file, in, 2, 0, &done) != 0 && done == 3);
    check("counts", __wasi_fd_read(file, in, UINT32_MAX, &done) != 0 &&
                        __wasi_fd_write(file, out, 0x20000000, &done) != 0 && done == 3);
    check("results",
          __wasi_fd_write(file, out, 0, (__wasi_size_t *)(end - 3)) == __WASI_ERRNO_FAULT);
    /* An iovec that is overwritten by what it says is to be read; an odd place for the result. */
    static uint8_t overlap[24] __attribute__((aligned(8)));
    __wasi_iovec_t *self = (__wasi_iovec_t *)overlap;
    *self = (__wasi_iovec_t){overlap, 3};
    check("overlap",
          __wasi_fd_pread(file, self, 1, 0, (__wasi_size_t *)(void *)(overlap + 9)) == 0 &&
              overlap[9] == 3 && overlap[10] == 0);
    close(file);
}

int main(void)
{
    descriptors();
    data();
    full();
    many();
    buffers();
    return 0;
}
