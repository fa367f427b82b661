/*
 * The socket calls the server uses: WasmEdge's extension of WASI preview 1 (module
 * wasi_snapshot_preview1) and preview 1's own poll_oneoff. Results are WASI errno
 * numbers; 0 is success.
 */
#pragma once

#include <stdint.h>

#ifdef __wasm__
#define WASI_IMPORT(name)                                                                          \
    __attribute__((import_module("wasi_snapshot_preview1"), import_name(name)))
#else
/* bench/posix_sockets.c implements these calls for a native build. */
#define WASI_IMPORT(name)
#endif

enum { WASI_AGAIN = 6 };
enum { WASI_INET4 = 1, WASI_STREAM = 2 };
enum { WASI_NONBLOCK = 4 };
enum { WASI_SOCKET_STREAM = 6 };
enum { WASI_EVENT_CLOCK = 0, WASI_EVENT_READ = 1, WASI_EVENT_WRITE = 2 };

struct wasi_buffer {
    const void *data;
    uint32_t size;
};

struct wasi_address {
    uint8_t *bytes;
    uint32_t size;
};

struct wasi_subscription {
    uint64_t userdata;
    uint8_t tag;
    uint8_t padding[7];
    union {
        uint32_t fd;
        struct {
            uint32_t id;
            uint32_t padding;
            uint64_t timeout_ns;
            uint64_t precision_ns;
            uint16_t flags;
        } clock;
    };
};
_Static_assert(sizeof(struct wasi_subscription) == 48, "preview 1 subscription");

struct wasi_event {
    uint64_t userdata;
    uint16_t error;
    uint8_t type;
    uint8_t padding[5];
    uint64_t byte_count;
    uint16_t flags;
    uint8_t padding2[6];
};
_Static_assert(sizeof(struct wasi_event) == 32, "preview 1 event");

struct wasi_fdstat {
    uint8_t file_type;
    uint8_t padding;
    uint16_t flags;
    uint32_t padding2;
    uint64_t rights[2];
};
_Static_assert(sizeof(struct wasi_fdstat) == 24, "preview 1 fdstat");

WASI_IMPORT("sock_open") uint32_t wasi_sock_open(uint32_t family, uint32_t type, uint32_t *fd);
WASI_IMPORT("sock_bind")
uint32_t wasi_sock_bind(uint32_t fd, const struct wasi_address *address, uint32_t port);
WASI_IMPORT("sock_listen") uint32_t wasi_sock_listen(uint32_t fd, uint32_t backlog);
WASI_IMPORT("sock_accept")
uint32_t wasi_sock_accept(uint32_t fd, uint32_t flags, uint32_t *connection);
WASI_IMPORT("sock_recv")
uint32_t wasi_sock_recv(uint32_t fd, const struct wasi_buffer *buffers, uint32_t count,
                        uint32_t flags, uint32_t *size, uint32_t *out_flags);
WASI_IMPORT("sock_send")
uint32_t wasi_sock_send(uint32_t fd, const struct wasi_buffer *buffers, uint32_t count,
                        uint32_t flags, uint32_t *size);
WASI_IMPORT("fd_close") uint32_t wasi_fd_close(uint32_t fd);
WASI_IMPORT("fd_fdstat_get") uint32_t wasi_fd_fdstat_get(uint32_t fd, struct wasi_fdstat *stat);
WASI_IMPORT("fd_fdstat_set_flags") uint32_t wasi_fd_fdstat_set_flags(uint32_t fd, uint32_t flags);
WASI_IMPORT("poll_oneoff")
uint32_t wasi_poll_oneoff(const struct wasi_subscription *subscriptions, struct wasi_event *events,
                          uint32_t count, uint32_t *event_count);
