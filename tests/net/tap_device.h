/*
 * A struct netdev over a Linux TAP device, with an impairing relay of our own in both
 * directions: loss, duplication, reordering, corruption and delay, seeded. Hosted tests only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drivers/netdev.h"

struct tap_options {
    const char *interface;
    bool offloads; /* checksum and TSO both ways, through the TAP's virtio-net header */
    unsigned loss; /* per thousand frames, each direction */
    unsigned duplicate;
    unsigned reorder;  /* per thousand: held back for a few ms more */
    unsigned corrupt;  /* per thousand: one bit flips; without offloads only */
    unsigned delay_us; /* of every frame */
    uint64_t seed;
};

struct tap_device;

/* NULL: cannot, errno tells. */
struct tap_device *tap_open(const struct tap_options *options);
void tap_close(struct tap_device *tap);
struct netdev *tap_netdev(struct tap_device *tap);
int tap_descriptor(const struct tap_device *tap);
/* When the relay has the next frame to pass on, or UINT64_MAX. */
uint64_t tap_next_ns(const struct tap_device *tap);
uint64_t tap_now_ns(void);
/* Received buffers that the stack holds, and frames passed and lost, for the final account. */
size_t tap_buffers_held(const struct tap_device *tap);
