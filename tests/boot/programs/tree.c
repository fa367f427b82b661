/* Lists a directory tree in order: type, size, path; file contents are summed; links resolved. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static unsigned long sum_file(const char *path)
{
    static unsigned char buffer[8192];
    unsigned long sum = 0;
    int fd = open(path, O_RDONLY);
    ssize_t count;
    while (fd >= 0 && (count = read(fd, buffer, sizeof buffer)) > 0) {
        for (ssize_t i = 0; i < count; i++) {
            sum = sum * 31 + buffer[i];
        }
    }
    close(fd);
    return sum & 0xffffffff;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list(const char *path)
{
    DIR *directory = opendir(path);
    if (!directory) {
        perror(path);
        return 1;
    }
    char **names = NULL;
    size_t count = 0;
    struct dirent *entry;
    while ((entry = readdir(directory))) {
        names = realloc(names, (count + 1) * sizeof *names);
        names[count++] = strdup(entry->d_name);
    }
    closedir(directory);
    qsort(names, count, sizeof *names, by_name);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], ".") == 0 || strcmp(names[i], "..") == 0) {
            continue;
        }
        char *child = malloc(strlen(path) + strlen(names[i]) + 2);
        sprintf(child, "%s/%s", strcmp(path, "/") ? path : "", names[i]);
        struct stat stat;
        if (lstat(child, &stat) != 0) {
            perror(child);
            return 1;
        }
        if (S_ISDIR(stat.st_mode)) {
            printf("d %s\n", child);
            if (list(child)) {
                return 1;
            }
        } else if (S_ISLNK(stat.st_mode)) {
            char target[256] = "";
            ssize_t length = readlink(child, target, sizeof target - 1);
            printf("l %s -> %.*s %08lx\n", child, (int)length, target, sum_file(child));
        } else {
            printf("f %s %lld %08lx\n", child, (long long)stat.st_size, sum_file(child));
        }
        free(child);
    }
    return 0;
}

int main(int argc, char **argv)
{
    return list(argc > 1 ? argv[1] : "/");
}
