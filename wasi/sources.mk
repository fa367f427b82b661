# Sources of wasi/, relative to the project's root; one file a line.
WASI_SRCS := \
    wasi/clock.c \
    wasi/descriptor.c \
    wasi/errno.c \
    wasi/fd.c \
    wasi/fd_io.c \
    wasi/fd_stat.c \
    wasi/fd_table.c \
    wasi/guest_memory.c \
    wasi/guest_watch.c \
    wasi/path.c \
    wasi/path_stat.c \
    wasi/poll.c \
    wasi/poll_set.c \
    wasi/process.c \
    wasi/readdir.c \
    wasi/resolve.c \
    wasi/sock.c \
    wasi/sock_address.c \
    wasi/sock_io.c \
    wasi/sock_option.c \
    wasi/sock_resolve.c \
    wasi/sock_wamr.c \
    wasi/sock_wamr_resolve.c \
    wasi/sock_wasmedge.c \
    wasi/start.c \
    wasi/unstable.c \
    wasi/wamr_address.c
