/*
 * A static file server: HTTP/1.1 with keep-alive, pipelining, ranges and conditional
 * requests over WasmEdge sockets, one thread, driven by poll_oneoff.
 *
 * usage: static-file-server [ROOT [PORT]]     (defaults: / and 80)
 * A listener that the runtime hands over (--listen) is used instead of PORT.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "files.h"
#include "http.h"
#include "sockets.h"

enum { INPUT_BYTES = 8192, HEADER_BYTES = 1024, CHUNK_BYTES = 64 << 10 };
#define CLOCK_NS 1000000000u
enum { IDLE_LIMIT_S = 75, CONNECTIONS_MAX = 200000, EXCHANGE_SPARES_MAX = 64, LISTENER_INDEX = 0 };

/* What a connection needs while a request or its response is under way; idle ones have none. */
struct exchange {
    struct exchange *next_spare;
    char header[HEADER_BYTES];
    char input[INPUT_BYTES];
};

struct connection {
    struct exchange *exchange;
    uint32_t fd;
    bool keep_alive;
    bool is_version_1_0;
    bool is_blocked;     /* waits for room to send */
    uint64_t active_s;   /* last progress; a part of a request's header is none */
    uint64_t skip_bytes; /* of a request's body */
    /* The response being sent: header, then a part of a file. */
    uint32_t header_at, header_size;
    struct file *file;
    uint64_t file_at, file_left;
    uint8_t *chunk; /* large files: what was read but not sent */
    uint32_t chunk_at, chunk_size;
    uint32_t input_size;
};

/*
 * connections[i] and subscriptions[i] belong together; index 0 is the listener. The last
 * subscription, past the connections, is a one-second clock.
 */
static struct connection **connections;
static struct wasi_subscription *subscriptions;
static struct wasi_event *events;
static uint32_t connection_count = 1; /* with the listener */
static uint32_t capacity;
static uint64_t now_s;
static char date_text[30];
static struct exchange *exchange_spares;
static uint32_t exchange_spare_count;
/* How most responses begin, up to and with the date: formatted once a second. */
static char ok_text[96];
static uint32_t ok_size;

static void update_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if ((uint64_t)now.tv_sec != now_s) {
        now_s = (uint64_t)now.tv_sec;
        files_http_date(now.tv_sec, date_text);
        ok_size = (uint32_t)snprintf(ok_text, sizeof ok_text,
                                     "HTTP/1.1 200 OK\r\nServer: wafer-example\r\nDate: %s\r\n",
                                     date_text);
    }
}

static bool reserve(uint32_t count)
{
    if (count + 2 <= capacity) {
        return true;
    }
    uint32_t larger = capacity ? capacity * 2 : 64;
    struct connection **c = realloc(connections, larger * sizeof *c);
    connections = c ? c : connections;
    struct wasi_subscription *s = c ? realloc(subscriptions, larger * sizeof *s) : NULL;
    subscriptions = s ? s : subscriptions;
    struct wasi_event *e = s ? realloc(events, larger * sizeof *e) : NULL;
    if (!e) {
        return false;
    }
    events = e;
    capacity = larger;
    return true;
}

static void subscribe(uint32_t index, uint32_t fd, uint8_t tag)
{
    memset(&subscriptions[index], 0, sizeof subscriptions[index]);
    subscriptions[index].userdata = index;
    subscriptions[index].tag = tag;
    subscriptions[index].fd = fd;
}

static bool take_exchange(struct connection *connection)
{
    if (connection->exchange) {
        return true;
    }
    struct exchange *exchange = exchange_spares;
    if (exchange) {
        exchange_spares = exchange->next_spare;
        exchange_spare_count--;
    } else {
        exchange = malloc(sizeof *exchange);
    }
    connection->exchange = exchange;
    return exchange != NULL;
}

static void drop_exchange(struct connection *connection)
{
    struct exchange *exchange = connection->exchange;
    connection->exchange = NULL;
    if (!exchange) {
        return;
    }
    if (exchange_spare_count == EXCHANGE_SPARES_MAX) {
        free(exchange);
        return;
    }
    exchange->next_spare = exchange_spares;
    exchange_spares = exchange;
    exchange_spare_count++;
}

static void close_connection(uint32_t index)
{
    struct connection *connection = connections[index];
    wasi_fd_close(connection->fd);
    if (connection->file) {
        files_release(connection->file);
    }
    free(connection->chunk);
    drop_exchange(connection);
    free(connection);
    connection_count--;
    if (index != connection_count) {
        connections[index] = connections[connection_count];
        subscriptions[index] = subscriptions[connection_count];
        subscriptions[index].userdata = index;
    }
}

static void accept_all(uint32_t listener)
{
    uint32_t fd;
    while (wasi_sock_accept(listener, WASI_NONBLOCK, &fd) == 0) {
        bool has_room = connection_count < CONNECTIONS_MAX && reserve(connection_count + 1);
        struct connection *connection = has_room ? calloc(1, sizeof *connection) : NULL;
        if (!connection) {
            wasi_fd_close(fd);
            return;
        }
        connection->fd = fd;
        connection->active_s = now_s;
        connections[connection_count] = connection;
        subscribe(connection_count, fd, WASI_EVENT_READ);
        connection_count++;
    }
}

/* The end of the header (RFC 9112 §9.3): what becomes of the connection, if not the default. */
static const char *connection_field(const struct connection *connection)
{
    if (!connection->keep_alive) {
        return "Connection: close\r\n\r\n";
    }
    return connection->is_version_1_0 ? "Connection: keep-alive\r\n\r\n" : "\r\n";
}

/* A response without a file: errors and redirects. */
static void respond_plain(struct connection *connection, int status,
                          const struct http_request *request)
{
    char body[64];
    int body_size = snprintf(body, sizeof body, "%d %s\n", status, http_status_text(status));
    char extra[HTTP_PATH_MAX / 2 + 32] = "";
    if (status == 301 && strlen(request->path) < HTTP_PATH_MAX / 2 - 4 &&
        !strpbrk(request->path, "\r\n \"<>%?#")) {
        snprintf(extra, sizeof extra, "Location: /%s/\r\n", request->path);
    } else if (status == 301) {
        status = 404;
    } else if (status == 405) {
        snprintf(extra, sizeof extra, "Allow: GET, HEAD\r\n");
    }
    bool has_body = !request || request->method != HTTP_HEAD;
    int size = snprintf(connection->exchange->header, HEADER_BYTES,
                        "HTTP/1.1 %d %s\r\nServer: wafer-example\r\nDate: %s\r\n"
                        "Content-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n%s%s%s",
                        status, http_status_text(status), date_text, body_size, extra,
                        connection_field(connection), has_body ? body : "");
    connection->header_size = (uint32_t)size;
}

static char *put(char *at, const char *text, size_t size)
{
    memcpy(at, text, size);
    return at + size;
}

/* The header of a response with a part of a file or none of it; returns its end. */
static char *put_unusual_header(struct connection *connection, int status, const struct file *file,
                                uint64_t first, uint64_t count)
{
    char *at = connection->exchange->header;
    char *end = connection->exchange->header + HEADER_BYTES;
    at += snprintf(at, HEADER_BYTES, "HTTP/1.1 %d %s\r\nServer: wafer-example\r\nDate: %s\r\n",
                   status, http_status_text(status), date_text);
    if (status == 206) {
        at = put(at, file->fields, file->fields_size);
        at += snprintf(at, (size_t)(end - at),
                       "Content-Length: %llu\r\nContent-Range: bytes %llu-%llu/%llu\r\n",
                       (unsigned long long)count, (unsigned long long)first,
                       (unsigned long long)(first + count - 1), (unsigned long long)file->size);
    } else {
        at += snprintf(at, (size_t)(end - at), "ETag: %s\r\n", file->etag);
    }
    if (status == 416) {
        at +=
            snprintf(at, (size_t)(end - at), "Content-Range: bytes */%llu\r\nContent-Length: 0\r\n",
                     (unsigned long long)file->size);
    }
    return at;
}

static void respond_file(struct connection *connection, const struct http_request *request,
                         struct file *file)
{
    uint64_t first, count;
    int status = http_apply_range(request, file->size, &first, &count);
    if (request->if_none_match[0] && (strcmp(request->if_none_match, file->etag) == 0 ||
                                      strcmp(request->if_none_match, "*") == 0)) {
        status = 304;
    }
    char *at;
    if (status == 200) {
        at = put(connection->exchange->header, ok_text, ok_size);
        at = put(at, file->fields, file->whole_size);
    } else {
        at = put_unusual_header(connection, status, file, first, count);
    }
    const char *last_field = connection_field(connection);
    at = put(at, last_field, strlen(last_field));
    connection->header_size = (uint32_t)(at - connection->exchange->header);
    if (request->method == HTTP_HEAD || count == 0 || status == 304 || status == 416) {
        files_release(file);
        return;
    }
    connection->file = file;
    connection->file_at = first;
    connection->file_left = count;
}

static void respond(struct connection *connection, struct http_request *request)
{
    connection->header_at = 0;
    if (request->method == HTTP_OTHER) {
        respond_plain(connection, 405, request);
        return;
    }
    if (request->path_is_directory) {
        size_t length = strlen(request->path);
        if (length + sizeof "index.html" > HTTP_PATH_MAX) {
            respond_plain(connection, 414, request);
            return;
        }
        memcpy(request->path + length, "index.html", sizeof "index.html");
    }
    struct file *file;
    int status = files_open(request->path, now_s, &file);
    if (status != 200) {
        respond_plain(connection, status, request);
        return;
    }
    respond_file(connection, request, file);
}

/* The next part of the file: from memory, or read into the connection's chunk. */
static bool next_part(struct connection *connection, struct wasi_buffer *part)
{
    if (connection->file->content) {
        part->data = connection->file->content + connection->file_at;
        part->size =
            connection->file_left > UINT32_MAX ? UINT32_MAX : (uint32_t)connection->file_left;
        return true;
    }
    if (connection->chunk_at == connection->chunk_size) {
        if (!connection->chunk && !(connection->chunk = malloc(CHUNK_BYTES))) {
            return false;
        }
        uint32_t want =
            connection->file_left < CHUNK_BYTES ? (uint32_t)connection->file_left : CHUNK_BYTES;
        connection->chunk_at = 0;
        connection->chunk_size =
            files_read(connection->file, connection->file_at, connection->chunk, want);
        if (connection->chunk_size == 0) {
            return false;
        }
    }
    part->data = connection->chunk + connection->chunk_at;
    part->size = connection->chunk_size - connection->chunk_at;
    return true;
}

/* Sends what it can. False: the connection is broken. */
static bool flush_response(struct connection *connection)
{
    connection->is_blocked = false;
    while (connection->header_at < connection->header_size || connection->file) {
        struct wasi_buffer parts[2];
        uint32_t count = 0;
        uint32_t header_left = connection->header_size - connection->header_at;
        if (header_left) {
            parts[count].data = connection->exchange->header + connection->header_at;
            parts[count++].size = header_left;
        }
        if (connection->file) {
            if (!next_part(connection, &parts[count])) {
                return false;
            }
            count++;
        }
        uint32_t sent = 0;
        uint32_t error = wasi_sock_send(connection->fd, parts, count, 0, &sent);
        if (error == WASI_AGAIN) {
            connection->is_blocked = true;
            return true;
        }
        if (error) {
            return false;
        }
        connection->active_s = now_s;
        uint32_t of_header = sent < header_left ? sent : header_left;
        connection->header_at += of_header;
        uint32_t of_file = sent - of_header;
        if (connection->file) {
            connection->file_at += of_file;
            connection->file_left -= of_file;
            if (!connection->file->content) {
                connection->chunk_at += of_file;
            }
            if (connection->file_left == 0) {
                files_release(connection->file);
                connection->file = NULL;
                free(connection->chunk);
                connection->chunk = NULL;
                connection->chunk_at = connection->chunk_size = 0;
            }
        }
    }
    return true;
}

static void drop_input(struct connection *connection, uint32_t size)
{
    connection->input_size -= size;
    if (connection->input_size) {
        memmove(connection->exchange->input, connection->exchange->input + size,
                connection->input_size);
    }
}

/* Answers the requests in the input, in order. False: close the connection. */
static bool process_input(struct connection *connection)
{
    while (connection->input_size) {
        if (connection->skip_bytes) {
            uint32_t skip = connection->skip_bytes < connection->input_size
                                ? (uint32_t)connection->skip_bytes
                                : connection->input_size;
            connection->skip_bytes -= skip;
            connection->active_s = now_s;
            drop_input(connection, skip);
            continue;
        }
        static struct http_request request;
        int size = http_parse(connection->exchange->input, connection->input_size, &request);
        if (size == 0 && connection->input_size < INPUT_BYTES) {
            return true;
        }
        if (size <= 0) {
            connection->keep_alive = false;
            connection->header_at = 0;
            connection->input_size = 0;
            respond_plain(connection, size ? -size : 431, NULL);
        } else {
            connection->active_s = now_s;
            connection->keep_alive = request.keep_alive;
            connection->is_version_1_0 = request.is_version_1_0;
            connection->skip_bytes = request.body_bytes;
            drop_input(connection, (uint32_t)size);
            respond(connection, &request);
        }
        if (!flush_response(connection)) {
            return false;
        }
        if (connection->is_blocked) {
            return true;
        }
        if (!connection->keep_alive) {
            return false;
        }
    }
    return true;
}

static bool on_readable(struct connection *connection)
{
    if (!take_exchange(connection)) {
        return false;
    }
    for (;;) {
        struct wasi_buffer buffer = {connection->exchange->input + connection->input_size,
                                     INPUT_BYTES - connection->input_size};
        uint32_t size = 0, flags;
        uint32_t error = wasi_sock_recv(connection->fd, &buffer, 1, 0, &size, &flags);
        if (error == WASI_AGAIN) {
            return true;
        }
        if (error || size == 0) {
            return false;
        }
        connection->input_size += size;
        bool was_full = size == buffer.size;
        if (!process_input(connection)) {
            return false;
        }
        if (connection->is_blocked || !was_full) {
            return true;
        }
    }
}

static bool on_writable(struct connection *connection)
{
    if (!flush_response(connection)) {
        return false;
    }
    if (connection->is_blocked) {
        return true;
    }
    return connection->keep_alive && process_input(connection);
}

/* Once a second; not when the clock fires, which under load it never does. */
static void close_idle(void)
{
    static uint64_t looked_s;
    if (looked_s == now_s) {
        return;
    }
    looked_s = now_s;
    for (uint32_t i = connection_count; i-- > 1;) {
        if (now_s > connections[i]->active_s + IDLE_LIMIT_S) {
            close_connection(i);
        }
    }
}

static int by_index_descending(const void *a, const void *b)
{
    uint64_t x = ((const struct wasi_event *)a)->userdata;
    uint64_t y = ((const struct wasi_event *)b)->userdata;
    return (x < y) - (x > y);
}

/*
 * The list of subscriptions is written only where it changes: a runtime may know, then, that the
 * rest is as before.
 */
static void put_clock(struct wasi_subscription *clock)
{
    if (clock->tag == WASI_EVENT_CLOCK && clock->userdata == connection_count &&
        clock->clock.id == 1 && clock->clock.timeout_ns == CLOCK_NS && clock->clock.flags == 0) {
        return;
    }
    memset(clock, 0, sizeof *clock);
    clock->userdata = connection_count;
    clock->tag = WASI_EVENT_CLOCK;
    clock->clock.id = 1;
    clock->clock.timeout_ns = CLOCK_NS;
}

static void set_tag(uint32_t index, uint8_t tag)
{
    if (subscriptions[index].tag != tag) {
        subscriptions[index].tag = tag;
    }
}

/* One round: wait, then serve. False: polling itself failed. */
static bool serve_once(uint32_t listener)
{
    put_clock(&subscriptions[connection_count]);
    /* With nobody connected there is nothing to time out: sleep without a clock. */
    uint32_t count = connection_count + (connection_count > 1);
    uint32_t ready = 0;
    if (wasi_poll_oneoff(subscriptions, events, count, &ready) != 0) {
        return false;
    }
    update_clock();
    /* Closing moves the last connection down: with descending indices each is met once. */
    bool is_descending = true;
    for (uint32_t i = 1; i < ready; i++) {
        is_descending &= events[i - 1].userdata >= events[i].userdata;
    }
    if (!is_descending) {
        qsort(events, ready, sizeof *events, by_index_descending);
    }
    bool listener_fired = false;
    for (uint32_t i = 0; i < ready; i++) {
        uint32_t index = (uint32_t)events[i].userdata;
        if (events[i].type == WASI_EVENT_CLOCK) {
            continue; /* it was there to wake us */
        }
        if (index == LISTENER_INDEX) {
            listener_fired = true;
        } else if (events[i].error ||
                   !(events[i].type == WASI_EVENT_READ ? on_readable(connections[index])
                                                       : on_writable(connections[index]))) {
            close_connection(index);
        } else {
            struct connection *connection = connections[index];
            set_tag(index, connection->is_blocked ? WASI_EVENT_WRITE : WASI_EVENT_READ);
            if (!connection->is_blocked && connection->input_size == 0) {
                drop_exchange(connection);
            }
        }
    }
    if (listener_fired) {
        accept_all(listener);
    }
    close_idle();
    return true;
}

/* Whether the runtime handed a listener over, among the descriptors it opened (3 and up). */
static bool find_listener(uint32_t *out)
{
    struct wasi_fdstat stat;
    for (uint32_t fd = 3; wasi_fd_fdstat_get(fd, &stat) == 0; fd++) {
        if (stat.file_type == WASI_SOCKET_STREAM) {
            *out = fd;
            return true;
        }
    }
    return false;
}

static bool open_listener(uint32_t port, uint32_t *out)
{
    if (!find_listener(out)) {
        uint8_t any[4] = {0};
        struct wasi_address address = {any, sizeof any};
        if (wasi_sock_open(WASI_INET4, WASI_STREAM, out) != 0) {
            return false;
        }
        uint32_t error = wasi_sock_bind(*out, &address, port);
        if (error || wasi_sock_listen(*out, 4096)) {
            return false;
        }
    }
    return wasi_fd_fdstat_set_flags(*out, WASI_NONBLOCK) == 0;
}

int main(int argc, char **argv)
{
    const char *root = argc > 1 ? argv[1] : "/";
    uint32_t port = argc > 2 ? (uint32_t)atoi(argv[2]) : 80;
    files_set_root(strcmp(root, "/") == 0 ? "" : root);
    uint32_t listener;
    if (!open_listener(port, &listener) || !reserve(1)) {
        fprintf(stderr, "static-file-server: cannot listen on port %u\n", port);
        return 1;
    }
    subscribe(LISTENER_INDEX, listener, WASI_EVENT_READ);
    update_clock();
    while (serve_once(listener)) {
    }
    fprintf(stderr, "static-file-server: poll_oneoff failed\n");
    return 1;
}
