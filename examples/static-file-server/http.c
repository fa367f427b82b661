/* HTTP/1.1 request parsing: see http.h. */
#include "http.h"

#include <string.h>
#include <strings.h>

static const struct {
    const char *extension, *type;
} media_types[] = {
    {"html", "text/html; charset=utf-8"},
    {"htm", "text/html; charset=utf-8"},
    {"css", "text/css; charset=utf-8"},
    {"js", "text/javascript; charset=utf-8"},
    {"mjs", "text/javascript; charset=utf-8"},
    {"json", "application/json"},
    {"map", "application/json"},
    {"txt", "text/plain; charset=utf-8"},
    {"md", "text/markdown; charset=utf-8"},
    {"csv", "text/csv; charset=utf-8"},
    {"xml", "application/xml"},
    {"svg", "image/svg+xml"},
    {"png", "image/png"},
    {"jpg", "image/jpeg"},
    {"jpeg", "image/jpeg"},
    {"gif", "image/gif"},
    {"webp", "image/webp"},
    {"avif", "image/avif"},
    {"ico", "image/vnd.microsoft.icon"},
    {"wasm", "application/wasm"},
    {"pdf", "application/pdf"},
    {"zip", "application/zip"},
    {"gz", "application/gzip"},
    {"tar", "application/x-tar"},
    {"mp3", "audio/mpeg"},
    {"mp4", "video/mp4"},
    {"webm", "video/webm"},
    {"woff", "font/woff"},
    {"woff2", "font/woff2"},
    {"ttf", "font/ttf"},
};

const char *http_media_type(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *dot = strrchr(slash ? slash : path, '.');
    if (dot) {
        for (size_t i = 0; i < sizeof media_types / sizeof media_types[0]; i++) {
            if (strcasecmp(dot + 1, media_types[i].extension) == 0) {
                return media_types[i].type;
            }
        }
    }
    return "application/octet-stream";
}

const char *http_status_text(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 206:
        return "Partial Content";
    case 301:
        return "Moved Permanently";
    case 304:
        return "Not Modified";
    case 400:
        return "Bad Request";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 414:
        return "URI Too Long";
    case 416:
        return "Range Not Satisfiable";
    case 431:
        return "Request Header Fields Too Large";
    case 501:
        return "Not Implemented";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Internal Server Error";
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decodes and normalises a request target's path (RFC 3986 §5.2.4, §2.1). */
static int parse_target(const char *target, size_t size, struct http_request *out)
{
    /* Absolute form, http://host/path (RFC 9112 §3.2.2). */
    if (size > 7 && strncasecmp(target, "http://", 7) == 0) {
        const char *slash = memchr(target + 7, '/', size - 7);
        size = slash ? size - (size_t)(slash - target) : 1;
        target = slash ? slash : "/";
    }
    if (size == 0 || target[0] != '/') {
        return -400;
    }
    size_t length = 0;
    size_t i = 0;
    while (i < size && target[i] != '?' && target[i] != '#') {
        int c = (unsigned char)target[i++];
        if (c == '%') {
            if (i + 2 > size || hex_digit(target[i]) < 0 || hex_digit(target[i + 1]) < 0) {
                return -400;
            }
            c = hex_digit(target[i]) << 4 | hex_digit(target[i + 1]);
            i += 2;
        }
        if (c == 0) {
            return -400;
        }
        bool at_segment_start = length == 0 || out->path[length - 1] == '/';
        if (c == '/' && at_segment_start) {
            continue;
        }
        if (length + 1 >= HTTP_PATH_MAX) {
            return -414;
        }
        out->path[length++] = (char)c;
        bool segment_ends = i >= size || target[i] == '/' || target[i] == '?' || target[i] == '#' ||
                            (target[i] == '%' && i + 2 < size && target[i + 1] == '2' &&
                             (target[i + 2] | 0x20) == 'f');
        if (!segment_ends) {
            continue;
        }
        size_t start = length;
        while (start > 0 && out->path[start - 1] != '/') {
            start--;
        }
        if (length - start == 1 && out->path[start] == '.') {
            length = start;
        } else if (length - start == 2 && out->path[start] == '.' && out->path[start + 1] == '.') {
            if (start == 0) {
                return -400;
            }
            length = start - 1;
            while (length > 0 && out->path[length - 1] != '/') {
                length--;
            }
        }
    }
    out->path_is_directory = length == 0 || out->path[length - 1] == '/';
    out->path[length] = 0;
    return 0;
}

static bool name_is(const char *name, size_t size, const char *expected)
{
    return strlen(expected) == size && strncasecmp(name, expected, size) == 0;
}

/* Whether a comma-separated list (RFC 9110 §5.6.1) has the element. */
static bool list_has(const char *value, size_t size, const char *element)
{
    size_t want = strlen(element);
    for (size_t i = 0; i + want <= size; i++) {
        bool starts = i == 0 || value[i - 1] == ',' || value[i - 1] == ' ' || value[i - 1] == '\t';
        size_t end = i + want;
        bool ends = end == size || value[end] == ',' || value[end] == ' ' || value[end] == '\t';
        if (starts && ends && strncasecmp(value + i, element, want) == 0) {
            return true;
        }
    }
    return false;
}

/* Digits only; false on anything else or overflow. *used is how many were read. */
static bool parse_number(const char *text, size_t size, uint64_t *out, size_t *used)
{
    uint64_t value = 0;
    size_t i = 0;
    while (i < size && text[i] >= '0' && text[i] <= '9') {
        if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text[i] - '0'), &value)) {
            return false;
        }
        i++;
    }
    *out = value;
    *used = i;
    return i > 0;
}

/* One byte range; anything else (several ranges, other units) is ignored, as RFC 9110 §14.2 allows.
 */
static void parse_range(const char *value, size_t size, struct http_request *out)
{
    if (size < 7 || strncasecmp(value, "bytes=", 6) != 0) {
        return;
    }
    value += 6;
    size -= 6;
    size_t used;
    if (value[0] == '-') {
        if (parse_number(value + 1, size - 1, &out->range_last, &used) && used + 1 == size) {
            out->range = HTTP_RANGE_SUFFIX;
        }
        return;
    }
    if (!parse_number(value, size, &out->range_first, &used) || used == size ||
        value[used] != '-') {
        return;
    }
    value += used + 1;
    size -= used + 1;
    if (size == 0) {
        out->range = HTTP_RANGE_FROM;
    } else if (parse_number(value, size, &out->range_last, &used) && used == size &&
               out->range_first <= out->range_last) {
        out->range = HTTP_RANGE_FROM_TO;
    }
}

/* For what is a few bytes away; memchr costs more to start. */
static const char *find(const char *text, char wanted, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] == wanted) {
            return text + i;
        }
    }
    return NULL;
}

static int parse_field(const char *line, size_t size, struct http_request *out, bool *has_length)
{
    const char *colon = find(line, ':', size);
    if (!colon || colon == line || colon[-1] == ' ' || colon[-1] == '\t' || line[0] == ' ' ||
        line[0] == '\t') {
        return -400;
    }
    size_t name_size = (size_t)(colon - line);
    const char *value = colon + 1;
    size_t value_size = size - name_size - 1;
    while (value_size && (*value == ' ' || *value == '\t')) {
        value++;
        value_size--;
    }
    while (value_size && (value[value_size - 1] == ' ' || value[value_size - 1] == '\t')) {
        value_size--;
    }
    switch (line[0] | 0x20) {
    case 'c':
        if (name_is(line, name_size, "connection")) {
            if (list_has(value, value_size, "close")) {
                out->keep_alive = false;
            } else if (list_has(value, value_size, "keep-alive")) {
                out->keep_alive = true;
            }
        } else if (name_is(line, name_size, "content-length")) {
            uint64_t bytes;
            size_t used;
            if (!parse_number(value, value_size, &bytes, &used) || used != value_size ||
                (*has_length && bytes != out->body_bytes)) {
                return -400;
            }
            *has_length = true;
            out->body_bytes = bytes;
        }
        break;
    case 'i':
        if (name_is(line, name_size, "if-none-match") && value_size < sizeof out->if_none_match) {
            memcpy(out->if_none_match, value, value_size);
            out->if_none_match[value_size] = 0;
        }
        break;
    case 'r':
        if (name_is(line, name_size, "range")) {
            parse_range(value, value_size, out);
        }
        break;
    case 't':
        if (name_is(line, name_size, "transfer-encoding")) {
            return -501;
        }
        break;
    default:
        break;
    }
    return 0;
}

static int parse_request_line(const char *line, size_t size, struct http_request *out)
{
    const char *first = find(line, ' ', size);
    if (!first) {
        return -400;
    }
    size_t method_size = (size_t)(first - line);
    out->method = method_size == 3 && memcmp(line, "GET", 3) == 0    ? HTTP_GET
                  : method_size == 4 && memcmp(line, "HEAD", 4) == 0 ? HTTP_HEAD
                                                                     : HTTP_OTHER;
    const char *target = first + 1;
    size_t rest = size - method_size - 1;
    const char *second = find(target, ' ', rest);
    if (!second) {
        return -400;
    }
    const char *version = second + 1;
    size_t version_size = rest - (size_t)(second - target) - 1;
    if (version_size != 8 || memcmp(version, "HTTP/", 5) != 0) {
        return -400;
    }
    if (version[5] != '1' || version[6] != '.') {
        return -505;
    }
    out->is_version_1_0 = version[7] == '0';
    out->keep_alive = !out->is_version_1_0;
    return parse_target(target, (size_t)(second - target), out);
}

/* The next line feed: eight bytes a step, where wasi-libc's memchr takes four. */
static const char *find_line_feed(const char *text, size_t size)
{
    size_t i = 0;
    for (uint64_t word; i + sizeof word <= size; i += sizeof word) {
        memcpy(&word, text + i, sizeof word);
        word ^= '\n' * 0x0101010101010101u;
        /* Bit 7 of the first byte that is zero now, and of none before it. */
        uint64_t zeros = (word - 0x0101010101010101u) & ~word & 0x8080808080808080u;
        if (zeros) {
            return text + i + __builtin_ctzll(zeros) / 8;
        }
    }
    return find(text + i, '\n', size - i);
}

int http_parse(const char *data, size_t size, struct http_request *out)
{
    out->body_bytes = 0;
    out->range = HTTP_RANGE_NONE;
    out->if_none_match[0] = 0;
    bool has_length = false;
    bool is_first = true;
    size_t at = 0;
    while (at < size) {
        const char *newline = find_line_feed(data + at, size - at);
        if (!newline) {
            return 0;
        }
        size_t line_size = (size_t)(newline - (data + at));
        size_t next = at + line_size + 1;
        if (line_size && data[at + line_size - 1] == '\r') {
            line_size--;
        }
        if (line_size == 0 && is_first) {
            /* RFC 9112 §2.2: ignore empty lines before the request line. */
            at = next;
            continue;
        }
        if (line_size == 0) {
            return (int)next;
        }
        int status = is_first ? parse_request_line(data + at, line_size, out)
                              : parse_field(data + at, line_size, out, &has_length);
        if (status < 0) {
            return status;
        }
        is_first = false;
        at = next;
    }
    return 0;
}

int http_apply_range(const struct http_request *request, uint64_t size, uint64_t *first,
                     uint64_t *count)
{
    *first = 0;
    *count = size;
    switch (request->range) {
    case HTTP_RANGE_NONE:
        return 200;
    case HTTP_RANGE_SUFFIX:
        if (request->range_last == 0 || size == 0) {
            return 416;
        }
        *count = request->range_last < size ? request->range_last : size;
        *first = size - *count;
        return 206;
    case HTTP_RANGE_FROM:
    case HTTP_RANGE_FROM_TO:
        if (request->range_first >= size) {
            return 416;
        }
        *first = request->range_first;
        *count = size - *first;
        if (request->range == HTTP_RANGE_FROM_TO && request->range_last - *first < *count) {
            *count = request->range_last - *first + 1;
        }
        return 206;
    default:
        return 200;
    }
}
