/*
 * Files to serve, with a cache: small ones in memory, large ones as an open
 * descriptor. A file that is in use stays as it was opened; a cached one is looked at again
 * after a second.
 */
#pragma once

#include <stdint.h>

struct file {
    struct file *next; /* in its hash bucket */
    char *path;
    const uint8_t *content; /* NULL for a large file: read it with files_read */
    int fd;                 /* -1 when content is in memory */
    uint32_t references;    /* transfers under way, plus one while cached */
    uint64_t size;
    int64_t modified_s;
    uint64_t checked_s;
    char etag[48];
    /*
     * The header fields that every response with the file has, each with its CR LF; fields_size
     * is without the last, the Content-Length of the whole file, whole_size with it.
     */
    char fields[256];
    uint32_t fields_size, whole_size;
};

/* Sets the directory that is served. */
void files_set_root(const char *root);

/*
 * Opens `path` (relative, no ".."). Returns 200 with *out, or an HTTP error status; 301 for a
 * directory. now_s: a clock in seconds. The caller releases the file.
 */
int files_open(const char *path, uint64_t now_s, struct file **out);
void files_release(struct file *file);

/* Reads a part of a large file; returns the bytes read, 0 at its end or on an error. */
uint32_t files_read(const struct file *file, uint64_t offset, void *data, uint32_t size);

/* RFC 9110 §5.6.7 date; out holds 30 bytes. */
void files_http_date(int64_t time_s, char out[30]);
