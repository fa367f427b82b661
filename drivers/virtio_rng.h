/*
 * virtio entropy device (virtio 1.2 §5.4): read once at boot to seed the generator.
 */
#pragma once

#include "drivers/virtio.h"
#include "kernel/base/err.h"

/*
 * Feeds random_seed and leaves the device reset. ERR_TIMEDOUT when it gives nothing in
 * a second. Boot, normal kernel context.
 */
enum err virtio_rng_seed(struct virtio_device *device) WARN_UNUSED;
