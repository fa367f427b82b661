/* One of each: output, a file that is not there, a file, a clock, memory, and an exit code. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define BLOCK_BYTES (1u << 20)

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : "/";
    char path[100];

    /* A name that would turn a terminal red and begin a line of its own. */
    snprintf(path, sizeof(path), "%s/no\nsuch\x1b[31m\"file", folder);
    if (open(path, O_RDONLY) != -1 || errno != ENOENT) {
        return 1;
    }
    snprintf(path, sizeof(path), "%s/note", folder);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0666);
    char back[6] = "";
    if (fd == -1 || write(fd, "kept", 4) != 4 || lseek(fd, 0, SEEK_SET) != 0 ||
        read(fd, back, 4) != 4 || fsync(fd) != 0 || close(fd) != 0) {
        return 2;
    }
    volatile char *block = malloc(BLOCK_BYTES);
    block[BLOCK_BYTES - 1] = 1;
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    printf("read %s, %d\n", back, block[BLOCK_BYTES - 1]);
    fflush(stdout);
    _exit(3);
}
