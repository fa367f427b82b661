/*
 * Feature bits and configuration layout of virtio network cards (virtio 1.2 §5.1.3,
 * §5.1.4). Private to the driver and its tests.
 */
#pragma once

#define VIRTIO_NET_F_CSUM       (1ull << 0)
#define VIRTIO_NET_F_GUEST_CSUM (1ull << 1)
#define VIRTIO_NET_F_MTU        (1ull << 3)
#define VIRTIO_NET_F_MAC        (1ull << 5)
#define VIRTIO_NET_F_GUEST_TSO4 (1ull << 7)
#define VIRTIO_NET_F_GUEST_TSO6 (1ull << 8)
#define VIRTIO_NET_F_HOST_TSO4  (1ull << 11)
#define VIRTIO_NET_F_HOST_TSO6  (1ull << 12)
#define VIRTIO_NET_F_MRG_RXBUF  (1ull << 15)
#define VIRTIO_NET_F_STATUS     (1ull << 16)

#define VIRTIO_NET_CONFIG_MAC    0u
#define VIRTIO_NET_CONFIG_STATUS 6u
#define VIRTIO_NET_CONFIG_MTU    10u

#define VIRTIO_NET_LINK_UP_BIT 1u
