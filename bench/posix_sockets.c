/*
 * The example file server's socket calls over POSIX, so that bench/http.py can run the same
 * server natively in a Linux guest. poll_oneoff becomes poll(2), its closest relative.
 */
#define _GNU_SOURCE
#include "examples/static-file-server/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WASI_IO = 29, PARTS_MAX = 8 };

static uint32_t result(int failed)
{
    if (!failed) {
        return 0;
    }
    return errno == EAGAIN ? WASI_AGAIN : WASI_IO;
}

uint32_t wasi_sock_open(uint32_t family, uint32_t type, uint32_t *fd)
{
    (void)family;
    (void)type;
    int made = socket(AF_INET, SOCK_STREAM, 0);
    int on = 1;
    *fd = (uint32_t)made;
    return result(made < 0 || setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0);
}

uint32_t wasi_sock_bind(uint32_t fd, const struct wasi_address *address, uint32_t port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    memcpy(&name.sin_addr, address->bytes, sizeof name.sin_addr);
    return result(bind((int)fd, (struct sockaddr *)&name, sizeof name) < 0);
}

uint32_t wasi_sock_listen(uint32_t fd, uint32_t backlog)
{
    return result(listen((int)fd, (int)backlog) < 0);
}

uint32_t wasi_sock_accept(uint32_t fd, uint32_t flags, uint32_t *connection)
{
    int made = accept4((int)fd, NULL, NULL, flags & WASI_NONBLOCK ? SOCK_NONBLOCK : 0);
    *connection = (uint32_t)made;
    int on = 1;
    return result(made < 0 || setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0);
}

uint32_t wasi_sock_recv(uint32_t fd, const struct wasi_buffer *buffers, uint32_t count,
                        uint32_t flags, uint32_t *size, uint32_t *out_flags)
{
    (void)count;
    (void)flags;
    ssize_t got = recv((int)fd, (void *)(uintptr_t)buffers->data, buffers->size, 0);
    *size = got < 0 ? 0 : (uint32_t)got;
    *out_flags = 0;
    return result(got < 0);
}

uint32_t wasi_sock_send(uint32_t fd, const struct wasi_buffer *buffers, uint32_t count,
                        uint32_t flags, uint32_t *size)
{
    (void)flags;
    struct iovec parts[PARTS_MAX];
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = count < PARTS_MAX ? count : PARTS_MAX};
    for (size_t i = 0; i < message.msg_iovlen; i++) {
        parts[i] = (struct iovec){(void *)(uintptr_t)buffers[i].data, buffers[i].size};
    }
    ssize_t sent = sendmsg((int)fd, &message, MSG_NOSIGNAL);
    *size = sent < 0 ? 0 : (uint32_t)sent;
    return result(sent < 0);
}

uint32_t wasi_fd_close(uint32_t fd)
{
    return result(close((int)fd) < 0);
}

uint32_t wasi_fd_fdstat_get(uint32_t fd, struct wasi_fdstat *stat)
{
    (void)fd;
    (void)stat;
    return WASI_IO;
}

uint32_t wasi_fd_fdstat_set_flags(uint32_t fd, uint32_t flags)
{
    return result(fcntl((int)fd, F_SETFL, flags & WASI_NONBLOCK ? O_NONBLOCK : 0) < 0);
}

uint32_t wasi_poll_oneoff(const struct wasi_subscription *subscriptions, struct wasi_event *events,
                          uint32_t count, uint32_t *event_count)
{
    static struct pollfd *polled;
    static uint32_t capacity;
    if (count > capacity) {
        struct pollfd *larger = realloc(polled, count * sizeof *polled);
        if (!larger) {
            return WASI_IO;
        }
        polled = larger;
        capacity = count;
    }
    int timeout_ms = -1;
    for (uint32_t i = 0; i < count; i++) {
        const struct wasi_subscription *s = &subscriptions[i];
        if (s->tag == WASI_EVENT_CLOCK) {
            timeout_ms = (int)(s->clock.timeout_ns / 1000000);
            polled[i] = (struct pollfd){.fd = -1};
        } else {
            polled[i] =
                (struct pollfd){(int)s->fd, s->tag == WASI_EVENT_READ ? POLLIN : POLLOUT, 0};
        }
    }
    int ready = poll(polled, count, timeout_ms);
    if (ready < 0) {
        return WASI_IO;
    }
    uint32_t made = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool is_clock = subscriptions[i].tag == WASI_EVENT_CLOCK;
        if (is_clock ? ready == 0 : polled[i].revents != 0) {
            events[made++] = (struct wasi_event){.userdata = subscriptions[i].userdata,
                                                 .type = subscriptions[i].tag};
        }
    }
    *event_count = made;
    return 0;
}
