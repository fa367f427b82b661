/*
 * virtio network card (virtio 1.2 §5.1): checksum and segmentation offload both ways,
 * mergeable receive buffers, event index. Implements drivers/netdev.h.
 *
 * Transmission asks for no interrupts: packets are completed by later calls of transmit
 * and poll, and only a full ring makes `arm` ask for one. Reception interrupts only
 * after `arm`. A card that breaks the protocol is reset and logged; from then on it
 * receives nothing and completes what it is given at once, like a cable that is out.
 */
#pragma once

#include "drivers/netdev.h"
#include "drivers/virtio.h"
#include "kernel/base/err.h"

/* Starts the card. It lives until power-off. */
enum err virtio_net_open(struct virtio_device *device, struct netdev **out) WARN_UNUSED;
