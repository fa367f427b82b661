/*
 * What both transports do alike with mapped registers. Features are 64 bits behind a
 * register that selects a half (virtio 1.2 §4.1.4.3, §4.2.2). Configuration: fields of 2, 4 and 8
 * bytes are read and written with their own width (8 as two halves), everything else
 * byte by byte, as virtio 1.2 §4.1.3.1 and §4.2.2.2 demand. Normal kernel context.
 */
#pragma once

#include <stdint.h>

#include "kernel/x86/io.h"

/* Zero where [offset, offset + bytes) does not lie within the window. */
void virtio_config_window_read(struct mmio window, uint32_t window_bytes, uint32_t offset,
                               void *data, uint32_t bytes);
/* Nothing happens where the range does not lie within the window. */
void virtio_config_window_write(struct mmio window, uint32_t window_bytes, uint32_t offset,
                                const void *data, uint32_t bytes);

/* The registers lie at these offsets of the window. */
uint64_t virtio_features_read(struct mmio window, uint64_t select_at, uint64_t features_at);
void virtio_features_write(struct mmio window, uint64_t select_at, uint64_t features_at,
                           uint64_t features);
