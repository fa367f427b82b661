/*
 * What a file descriptor of the guest refers to.
 *
 * A descriptor is one heap block that the table (fd_table.h) owns through its number; WASI has
 * no dup, so there is exactly one number for each. The block stays where it is until it is
 * closed, whatever number it has: sockets and poll.c keep pointers to it. Normal kernel
 * context.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "fs/vfs.h"
#include "kernel/base/err.h"
#include "kernel/console.h"
#include "net/socket.h"

enum wasi_kind { WASI_KIND_CONSOLE, WASI_KIND_FILE, WASI_KIND_DIRECTORY, WASI_KIND_SOCKET };

/* No entry of poll.c's list. */
#define WASI_POLL_NONE UINT32_MAX

struct wasi_descriptor {
    uint32_t number;
    uint8_t kind; /* enum wasi_kind */
    bool is_preopen;
    uint16_t flags; /* enum wasi_fdflags */
    uint32_t rights_base;
    uint32_t rights_inheriting;
    union {
        uint32_t console; /* 0, 1 or 2: stdin, stdout, stderr */
        struct {
            struct vfs_node *node; /* one reference */
            uint64_t offset_bytes;
        } file;
        struct {
            struct vfs_node *node;  /* one reference */
            const char *guest_path; /* of a preopen; lives for ever */
        } directory;
        struct {
            struct net_socket *socket;
            uint64_t receive_timeout_ns; /* 0: none */
            uint64_t send_timeout_ns;
            uint8_t deferred_error; /* enum err for the next call: sock_io.c */
            bool is_mode_decided;   /* of a preopened listener: wasi.h */
        } socket;
    };
    /* poll.c's: the subscriptions that name this descriptor, and its place among the marked. */
    uint32_t poll_first;
    struct wasi_descriptor *poll_next_marked;
    struct wasi_descriptor **poll_link; /* what points to us in the list of marked ones */
};

/*
 * A new descriptor of the kind with the lowest free number, rights reduced to those that
 * apply. ERR_MFILE, ERR_NOMEM. The caller fills in the union at once.
 */
enum err wasi_descriptor_open(enum wasi_kind kind, uint32_t rights_base, uint32_t rights_inheriting,
                              struct wasi_descriptor **out) WARN_UNUSED;

/*
 * The same in two steps, for an operation with effects that must not happen when there is no
 * room for a descriptor. Until it is filled it refers to nothing and has no rights;
 * wasi_descriptor_close gives it back. ERR_MFILE, ERR_NOMEM.
 */
enum err wasi_descriptor_reserve(struct wasi_descriptor **out) WARN_UNUSED;
void wasi_descriptor_fill(struct wasi_descriptor *descriptor, enum wasi_kind kind,
                          uint32_t rights_base, uint32_t rights_inheriting);

/* ERR_BADF when nothing has the number, ERR_NOTCAPABLE when a right of `rights` is missing. */
enum err wasi_descriptor_get(uint32_t fd, uint32_t rights,
                             struct wasi_descriptor **out) WARN_UNUSED;
/* The same, and ERR_NOTDIR or ERR_NOTSOCK for another kind. */
enum err wasi_descriptor_get_directory(uint32_t fd, uint32_t rights,
                                       struct wasi_descriptor **out) WARN_UNUSED;
enum err wasi_descriptor_get_socket(uint32_t fd, uint32_t rights,
                                    struct wasi_descriptor **out) WARN_UNUSED;

/* Takes it out of the table, releases what it refers to, and frees it. */
void wasi_descriptor_close(struct wasi_descriptor *descriptor);
/* The same for one that is not in the table any more. */
void wasi_descriptor_release(struct wasi_descriptor *descriptor);

/* WASI filetype as fdstat and filestat report it. */
uint8_t wasi_descriptor_filetype(const struct wasi_descriptor *descriptor);
