/*
 * virtio 9P transport: device type 9 of virtio 1.2 §5, whose configuration and queue are as in
 * Linux's include/uapi/linux/virtio_9p.h. Implements drivers/p9_channel.h.
 */
#pragma once

#include "drivers/p9_channel.h"
#include "drivers/virtio.h"
#include "kernel/base/err.h"

/* Starts the device. It lives until power-off. */
enum err virtio_9p_open(struct virtio_device *device, struct p9_channel **out) WARN_UNUSED;
