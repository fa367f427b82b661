/*
 * HTTP/1.1 requests (RFC 9110, RFC 9112), as much as a static file server needs.
 * Pure functions over memory; no I/O, no allocation.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_PATH_MAX 1024

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_OTHER };
enum http_range { HTTP_RANGE_NONE, HTTP_RANGE_FROM_TO, HTTP_RANGE_FROM, HTTP_RANGE_SUFFIX };

struct http_request {
    enum http_method method;
    bool keep_alive;
    bool is_version_1_0; /* keep-alive must then be said in the response */
    uint64_t body_bytes; /* to skip after the header */
    enum http_range range;
    uint64_t range_first, range_last; /* SUFFIX: range_last is the length */
    char if_none_match[64];           /* empty where absent or too long */
    char path[HTTP_PATH_MAX];         /* decoded, without leading '/', no ".." */
    bool path_is_directory;           /* ended in '/' or is empty */
};

/*
 * Parses the request at the start of data. Returns the size of its header, 0 when
 * more data is needed, or a negative HTTP status (-400, -414, -501, -505).
 */
int http_parse(const char *data, size_t size, struct http_request *out);

/*
 * Applies the request's range to a file of `size` bytes (RFC 9110 §14.1.2): returns 200, 206 or
 * 416, with the part to send in *first and *count.
 */
int http_apply_range(const struct http_request *request, uint64_t size, uint64_t *first,
                     uint64_t *count);

/* The media type for a file name, by its extension. */
const char *http_media_type(const char *path);
const char *http_status_text(int status);
