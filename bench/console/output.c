/*
 * Says that it is ready, waits, writes 10,000,000 bytes in pieces of a given size, and waits to be
 * measured: under Wafer to standard output, under Linux to the port in the second argument.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TOTAL_BYTES 10000000

static void wait_s(int seconds)
{
    struct timespec time = {seconds, 0};

    nanosleep(&time, NULL);
}

static int write_all(int fd, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t count = write(fd, data, length);

        if (count <= 0) {
            return -1;
        }
        data += count;
        length -= (size_t)count;
    }
    return 0;
}

int main(int argc, char **argv)
{
    static char piece[1 << 16];
    size_t piece_bytes = argc > 1 ? (size_t)atoi(argv[1]) : 0;
    int fd = argc > 2 ? open(argv[2], O_WRONLY) : 1;

    if (fd < 0 || piece_bytes == 0 || piece_bytes > sizeof(piece)) {
        return 2;
    }
    memset(piece, 'x', piece_bytes);
    piece[piece_bytes - 1] = '\n';
    if (write_all(fd, "ready\n", 6) != 0) {
        return 1;
    }
    wait_s(2);
    for (size_t left = TOTAL_BYTES; left > 0;) {
        size_t part = left < piece_bytes ? left : piece_bytes;

        if (write_all(fd, piece, part) != 0) {
            return 1;
        }
        left -= part;
    }
    wait_s(600);
    return 0;
}
