/*
 * virtio console (virtio 1.2 §5.3): byte streams to and from the host.
 *
 * On a device with MULTIPORT the ports named wafer.stdin, wafer.stdout and wafer.stderr
 * carry those streams; when the host closes wafer.stdin, its reader sees the end of the
 * input after the last byte. A console port (or a device without MULTIPORT) carries what
 * no named port does, the log included. Log lines are with the device when the write
 * returns; the rest follows in the background, and virtio_console_drain waits for it.
 */
#pragma once

#include "drivers/virtio.h"
#include "kernel/base/err.h"

/* Starts the one console device and registers it (kernel/console.h, kernel/wait.h). */
enum err virtio_console_open(struct virtio_device *device) WARN_UNUSED;

/* Waits until the host has all output, at most a few seconds when it takes none. */
void virtio_console_drain(void);
