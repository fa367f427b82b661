/*
 * Byte streams to and from whoever started the machine.
 *
 * Three outputs and one input. On QEMU with the devices that scripts/wafer adds,
 * each is a channel of its own (log: COM1; stdout: debug console at 0xe9; stderr:
 * debug console at 0xea; stdin: virtio-console port, or COM1 input); elsewhere all
 * share COM1. virtio-console ports named wafer.stdout and wafer.stderr carry these streams
 * instead where they exist, and many times faster. Output is byte-exact and in order; a
 * write waits for room, and the host has everything before the machine ends. Normal kernel
 * context only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "kernel/base/err.h"

enum console_stream { CONSOLE_LOG, CONSOLE_STDOUT, CONSOLE_STDERR };

void console_write(enum console_stream stream, const void *data, size_t size_bytes);

/*
 * Up to size_bytes of input. ERR_AGAIN when none has arrived; ERR_OK with
 * *out_bytes == 0 at end of input.
 */
enum err console_read(void *data, size_t size_bytes, size_t *out_bytes) WARN_UNUSED;
bool console_input_ready(void);
/* Whether the host side of stdin/stdout/stderr is a terminal (command line tty=). */
bool console_is_terminal(int descriptor);

/* A device that carries some of the streams; registered by its driver at boot. */
struct console_backend {
    bool (*write)(void *context, enum console_stream stream, const void *data, size_t size_bytes);
    enum err (*read)(void *context, void *data, size_t size_bytes, size_t *out_bytes);
    bool (*input_ready)(void *context);
    void *context;
};
void console_register(const struct console_backend *backend);
