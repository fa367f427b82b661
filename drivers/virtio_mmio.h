/*
 * virtio over MMIO, version 2 (virtio 1.2 §4.2). Boot time, normal kernel context.
 */
#pragma once

#include <stdbool.h>

#include "drivers/virtio.h"
#include "kernel/base/err.h"
#include "kernel/mem.h"

#define VIRTIO_MMIO_NO_LINE 0xffffu

struct virtio_mmio_window {
    struct phys_addr address;
    uint64_t size_bytes;
    uint16_t line; /* interrupt line, VIRTIO_MMIO_NO_LINE where unknown */
};

/* Reads "<size>[K|M]@<address>:<line>[:<id>]", as VMMs write it. ERR_INVAL otherwise. */
enum err virtio_mmio_parse(const char *text, struct virtio_mmio_window *out) WARN_UNUSED;

/*
 * The device behind a window; it lives until power-off. ERR_NODEV for an empty slot;
 * a device with the legacy interface is logged and answers ERR_NOTSUP.
 */
enum err virtio_mmio_open(const struct virtio_mmio_window *window,
                          struct virtio_device **out) WARN_UNUSED;
