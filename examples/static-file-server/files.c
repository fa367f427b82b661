/* The file cache: see files.h. */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "http.h"

enum { BUCKETS = 1024, CACHED_FILES_MAX = 1024 };
#define CONTENT_MAX_BYTES       (256u << 10)
#define CONTENT_TOTAL_MAX_BYTES (16u << 20)

static struct file *buckets[BUCKETS];
static uint32_t cached_count;
static uint64_t content_bytes;
static char root_path[HTTP_PATH_MAX];

void files_set_root(const char *root)
{
    snprintf(root_path, sizeof root_path, "%s", root);
}

void files_http_date(int64_t time_s, char out[30])
{
    time_t when = (time_t)time_s;
    struct tm parts;
    gmtime_r(&when, &parts);
    strftime(out, 30, "%a, %d %b %Y %H:%M:%S GMT", &parts);
}

static uint32_t hash_path(const char *path)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (; *path; path++) {
        hash = (hash ^ (uint8_t)*path) * 16777619u;
    }
    return hash % BUCKETS;
}

void files_release(struct file *file)
{
    if (--file->references) {
        return;
    }
    if (file->fd >= 0) {
        close(file->fd);
    }
    if (file->content) {
        content_bytes -= file->size;
        free((void *)(uintptr_t)file->content);
    }
    free(file->path);
    free(file);
}

static void uncache(struct file **link)
{
    struct file *file = *link;
    *link = file->next;
    cached_count--;
    files_release(file);
}

static void uncache_all(void)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        while (buckets[i]) {
            uncache(&buckets[i]);
        }
    }
}

static void full_path(const char *path, char *out, size_t size)
{
    snprintf(out, size, "%s/%s", root_path, path);
}

static int status_of_errno(void)
{
    switch (errno) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
    case ELOOP:
        return 404;
    case EACCES:
    case EPERM:
#ifdef ENOTCAPABLE /* WASI's own */
    case ENOTCAPABLE:
#endif
        return 403;
    default:
        return 503;
    }
}

/* Reads a small file into memory; on any failure the descriptor stays in use instead. */
static void load_content(struct file *file)
{
    if (file->size > CONTENT_MAX_BYTES || content_bytes + file->size > CONTENT_TOTAL_MAX_BYTES) {
        return;
    }
    uint8_t *content = malloc(file->size ? file->size : 1);
    if (!content) {
        return;
    }
    uint64_t done = 0;
    while (done < file->size) {
        uint32_t part = files_read(file, done, content + done, (uint32_t)(file->size - done));
        if (!part) {
            free(content);
            return;
        }
        done += part;
    }
    file->content = content;
    content_bytes += file->size;
    close(file->fd);
    file->fd = -1;
}

/* Header fields, formatted once. */
static void describe(struct file *file)
{
    char last_modified[30];
    files_http_date(file->modified_s, last_modified);
    snprintf(file->etag, sizeof file->etag, "\"%llx-%llx\"", (unsigned long long)file->modified_s,
             (unsigned long long)file->size);
    file->fields_size = (uint32_t)snprintf(
        file->fields, sizeof file->fields,
        "ETag: %s\r\nLast-Modified: %s\r\nContent-Type: %s\r\nAccept-Ranges: bytes\r\n", file->etag,
        last_modified, http_media_type(file->path));
    file->whole_size =
        file->fields_size + (uint32_t)snprintf(file->fields + file->fields_size,
                                               sizeof file->fields - file->fields_size,
                                               "Content-Length: %llu\r\n",
                                               (unsigned long long)file->size);
}

static int load(const char *path, uint64_t now_s, struct file **out)
{
    char name[2 * HTTP_PATH_MAX];
    full_path(path, name, sizeof name);
    int fd = open(name, O_RDONLY);
    if (fd < 0) {
        return status_of_errno();
    }
    struct stat stat;
    int status = fstat(fd, &stat) != 0    ? 503
                 : S_ISDIR(stat.st_mode)  ? 301
                 : !S_ISREG(stat.st_mode) ? 403
                                          : 200;
    struct file *file = status == 200 ? calloc(1, sizeof *file) : NULL;
    char *path_copy = file ? strdup(path) : NULL;
    if (!path_copy) {
        free(file);
        close(fd);
        return status == 200 ? 503 : status;
    }
    file->path = path_copy;
    file->fd = fd;
    file->references = 1;
    file->size = (uint64_t)stat.st_size;
    file->modified_s = stat.st_mtim.tv_sec;
    file->checked_s = now_s;
    describe(file);
    load_content(file);
    *out = file;
    return 200;
}

/* Whether the file on disk still has the size and time that were cached. */
static int is_fresh(struct file *file, uint64_t now_s)
{
    if (file->checked_s == now_s) {
        return 1;
    }
    char name[2 * HTTP_PATH_MAX];
    full_path(file->path, name, sizeof name);
    struct stat stat_now;
    if (stat(name, &stat_now) != 0 || (uint64_t)stat_now.st_size != file->size ||
        stat_now.st_mtim.tv_sec != file->modified_s) {
        return 0;
    }
    file->checked_s = now_s;
    return 1;
}

int files_open(const char *path, uint64_t now_s, struct file **out)
{
    struct file **link = &buckets[hash_path(path)];
    struct file **bucket = link;
    while (*link && strcmp((*link)->path, path) != 0) {
        link = &(*link)->next;
    }
    if (*link && !is_fresh(*link, now_s)) {
        uncache(link);
        link = bucket;
        while (*link) {
            link = &(*link)->next;
        }
    }
    if (!*link) {
        struct file *file;
        int status = load(path, now_s, &file);
        if (status != 200) {
            return status;
        }
        if (cached_count >= CACHED_FILES_MAX) {
            uncache_all();
        }
        file->next = *bucket;
        *bucket = file;
        cached_count++;
        link = bucket;
    }
    (*link)->references++;
    *out = *link;
    return 200;
}

uint32_t files_read(const struct file *file, uint64_t offset, void *data, uint32_t size)
{
    ssize_t count = pread(file->fd, data, size, (off_t)offset);
    return count > 0 ? (uint32_t)count : 0;
}
