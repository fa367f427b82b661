/*
 * What kernel/main.c calls to run the module: the WASI layer's way in.
 *
 * Preopened descriptors: 0, 1 and 2 are the console; then come the listeners, in the order
 * of the command line, then the directories. So one `--listen` is descriptor 3 whatever else is
 * given, as with Wasmtime's --tcplisten and systemd's LISTEN_FDS. wasi-libc, which looks
 * for directories from 3 on and stops at EBADF, would miss the directories behind a
 * listener; so fd_prestat_get answers a listener that stands before a directory with a tag
 * of its own (WASI_PREOPEN_SOCKET), which wasi-libc, Rust, Go and Zig step over. A listener
 * after which no directory comes answers EBADF like any socket.
 *
 * A preopened listener's mode is undecided until the guest looks at its flags or sets them. A
 * program that never does (plain Rust std, simple C) waits in sock_accept; one that looks
 * (Go's runtime) finds NONBLOCK set, as with Wasmtime, and gets EAGAIN.
 *
 * The configuration and what it points to stay the caller's and must live for ever. Normal kernel
 * context, called once.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernel/base/err.h"
#include "kernel/base/wasm_abi.h"

struct net_socket;
struct net_stack;
struct vfs_node;

/* `--listen`: a TCP socket that accepts before the module starts. */
struct wasi_listener {
    uint8_t address[4]; /* 0.0.0.0: every local address */
    uint16_t port;
};

struct wasi_preopen {
    const char *guest_path;     /* NUL-terminated, as fd_prestat_dir_name reports it */
    struct vfs_node *directory; /* the reference passes to the WASI layer */
};

struct wasi_config {
    const struct wasm_module *module;
    const char *const *arguments; /* argv[0] first */
    size_t argument_count;
    const char *const *environment; /* "NAME=value" */
    size_t environment_count;
    const struct wasi_preopen *preopens;
    size_t preopen_count;
    struct net_stack *network; /* NULL: every socket call answers ERR_NETDOWN */
    const struct wasi_listener *listeners;
    size_t listener_count;
};

/*
 * Instantiates the module and runs _initialize, if there is one, and _start. Ends the machine
 * with the exit code: 0 when _start returns, or the one proc_exit names. A listener that
 * cannot be opened is reported on the log and ends the machine with a failed boot's code.
 */
_Noreturn void wasi_start(const struct wasi_config *config);

/*
 * Goes into net_hooks.wake. Marks the socket's descriptor so that poll_oneoff looks at
 * it; the context is not used.
 */
void wasi_socket_wake(void *context, struct net_socket *socket);
