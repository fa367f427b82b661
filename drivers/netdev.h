/*
 * What a network card offers to the TCP/IP stack, and the packets that cross.
 *
 * Nothing here blocks. Ownership: a transmitted packet belongs to the device until
 * its `done` runs (called from transmit or poll, in normal kernel context); a
 * received chain belongs to the stack until netdev_receive_free. The data that a
 * transmit fragment points to must stay unchanged and in the direct map or kernel
 * image until `done`.
 *
 * Offload fields have the meaning of struct virtio_net_hdr (virtio 1.2 §5.1.6).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/err.h"

/* virtio-net header (12), Ethernet (14), IPv6 (40) and TCP (60), and spare. */
#define NET_HEADER_BYTES 192u
/* Bytes at the front of `header` that only the driver uses. */
#define NET_DRIVER_HEADROOM 16u
#define NET_FRAGMENTS_MAX   18u
/* A received frame of more than one part has at least this much in its first. */
#define NET_FIRST_PART_BYTES   128u
#define ETHERNET_ADDRESS_BYTES 6u

enum netdev_feature {
    NETDEV_TX_CHECKSUM_BIT = 1u << 0, /* completes a partial L4 checksum on transmit */
    NETDEV_TX_TSO4_BIT = 1u << 1,
    NETDEV_TX_TSO6_BIT = 1u << 2,
    NETDEV_RX_CHECKSUM_BIT = 1u << 3, /* may report verified or partial checksums */
    NETDEV_RX_LARGE_BIT = 1u << 4,    /* may deliver coalesced segments of up to 64 KiB */
};

enum net_gso { NET_GSO_NONE = 0, NET_GSO_TCP4 = 1, NET_GSO_TCP6 = 4 };

struct net_fragment {
    const void *data;
    uint32_t length_bytes;
};

/* A frame to send: header bytes, then fragments, in order. */
struct net_packet {
    struct net_packet *next; /* for whoever owns the packet */
    void (*done)(struct net_packet *packet);
    void *owner; /* the stack's; the device does not look at it */
    /* These five as struct virtio_net_hdr has them: the driver copies them as they lie. */
    bool checksum_partial; /* device must finish the checksum */
    uint8_t gso;           /* enum net_gso */
    uint16_t header_length_bytes;
    uint16_t gso_size_bytes;  /* payload bytes of each segment; 0 without gso */
    uint16_t checksum_start;  /* from the frame's first byte */
    uint16_t checksum_offset; /* from checksum_start */
    uint16_t header_start;    /* frame begins at header + header_start */
    uint8_t fragment_count;
    struct net_fragment fragments[NET_FRAGMENTS_MAX];
    uint8_t header[NET_HEADER_BYTES];
};

/*
 * A received frame: one or more buffers; meta-data only in the first. The stack may take a
 * chain apart and give parts back one by one, in any order, with data and length_bytes
 * changed.
 */
struct net_buffer {
    struct net_buffer *next_part;   /* next buffer of the same frame, or NULL */
    struct net_buffer *next_packet; /* for whoever owns the chain */
    uint8_t *data;
    uint32_t length_bytes;   /* of this part */
    uint32_t capacity_bytes; /* memory this part pins */
    uint32_t total_bytes;    /* first part: of the whole frame */
    bool checksum_valid;     /* first part: L4 checksum verified or partial (trusted) */
    uint8_t gso;             /* first part: enum net_gso if coalesced */
    uint16_t gso_size_bytes;
    void *owner; /* the driver's */
};

struct netdev;

struct netdev_ops {
    /*
     * ERR_AGAIN when the ring is full: the caller keeps the packet and retries after the
     * next poll; an armed device interrupts when there is room. A device that failed takes
     * every packet and completes it at once.
     */
    enum err (*transmit)(struct netdev *device, struct net_packet *packet);
    /* Makes everything handed to transmit visible to the device: one kick a batch. */
    void (*flush)(struct netdev *device);
    /*
     * Takes up to `budget` received frames and hands each to device->receive;
     * completes transmissions. Returns the number of frames.
     */
    size_t (*poll)(struct netdev *device, size_t budget);
    void (*receive_free)(struct netdev *device, struct net_buffer *chain);
    /* Asks for an interrupt on the next frame; true if one is already there. */
    bool (*arm)(struct netdev *device);
};

struct netdev {
    const struct netdev_ops *ops;
    void *driver;
    uint8_t address[ETHERNET_ADDRESS_BYTES];
    uint16_t mtu_bytes;
    uint32_t features; /* enum netdev_feature */
    /* Memory of received parts (capacity_bytes) that the stack may hold at once; 0: no limit.
     * Beyond it the device has nowhere to put frames. */
    size_t receive_pool_bytes;
    /* Set by the stack before the first poll. */
    void (*receive)(void *stack, struct net_buffer *chain);
    void *stack;
};
