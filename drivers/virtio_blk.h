/*
 * virtio disk (virtio 1.2 §5.2). Implements drivers/blockdev.h: one request at a time,
 * given up with the whole disk after 30 seconds without an answer.
 */
#pragma once

#include "drivers/blockdev.h"
#include "drivers/virtio.h"
#include "kernel/base/err.h"

/* Starts the disk. It lives until power-off. */
enum err virtio_blk_open(struct virtio_device *device, struct blockdev **out) WARN_UNUSED;
