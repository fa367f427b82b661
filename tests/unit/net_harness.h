/*
 * A stack with everything around it faked: a card that keeps what is sent, a clock that the
 * test moves, counted memory, and a TCP that records what reaches it. For tests and fuzz targets of
 * the internet layer.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/checksum.h"
#include "net/ip_state.h"
#include "net/wire.h"

#define HARNESS_FRAMES_MAX  256u
#define HARNESS_FRAME_BYTES 2048u

struct harness_frame {
    size_t length;
    uint8_t data[HARNESS_FRAME_BYTES];
};

struct harness {
    struct net_stack *stack;
    struct netdev device;
    uint64_t now_ns;
    uint64_t random_state;
    size_t allocation_count;
    size_t buffer_count; /* received buffers that the stack still holds */
    bool ring_full;
    bool hold_packets; /* keep transmitted packets until harness_complete */
    struct net_packet *held;
    size_t frame_count;
    size_t wake_count;
    /* The fake TCP's notes. */
    size_t tcp_input_count;
    struct ip_received tcp_received;
    size_t tcp_error_count;
    struct ip_error tcp_error;
    /* Not cleared by harness_create, which fuzz targets call often. */
    uint8_t tcp_data[65536];
    struct harness_frame frames[HARNESS_FRAMES_MAX];
};

extern const uint8_t harness_mac[6];  /* of the stack */
extern const uint8_t harness_peer[6]; /* of whom it talks to */

/* A stack at 10.0.0.2/24, gateway and peer 10.0.0.1; or with DHCP. One at a time. */
struct harness *harness_create(bool dhcp, uint32_t features);
/* Ends the stack and fails the program when it kept memory or buffers. */
void harness_destroy(struct harness *harness);

/* Moves time on in steps, polling; stops the clock exactly there. */
void harness_run(struct harness *harness, uint64_t duration_ns);
/* Gives the stack a frame, in parts of at most part_bytes (0: one part), and polls. */
void harness_receive(struct harness *harness, const void *frame, size_t length, size_t part_bytes);
void harness_clear(struct harness *harness);
/* Drives the device's `done` calls. */
void harness_complete(struct harness *harness);

/* ---- Frames ------------------------------------------------------------------------------------
 */

/* Builders return the total length; data may be NULL with length 0. */
size_t frame_arp(uint8_t *out, uint16_t operation, const uint8_t sender_hardware[6],
                 const uint8_t sender[4], const uint8_t target_hardware[6],
                 const uint8_t target[4]);
size_t frame_ipv4(uint8_t *out, const uint8_t source[4], const uint8_t destination[4],
                  uint8_t protocol, uint16_t fragment, const void *payload, size_t length);
size_t frame_ipv6(uint8_t *out, const uint8_t source[16], const uint8_t destination[16],
                  uint8_t next_header, uint8_t hop_limit, const void *payload, size_t length);
/* UDP header and data with a correct checksum. */
size_t payload_udp(uint8_t *out, const uint8_t source[4], const uint8_t destination[4],
                   uint16_t source_port, uint16_t destination_port, const void *data,
                   size_t length);
size_t payload_icmp(uint8_t *out, uint8_t type, uint8_t code, uint32_t rest, const void *data,
                    size_t length);
size_t payload_icmpv6(uint8_t *out, const uint8_t source[16], const uint8_t destination[16],
                      uint8_t type, uint8_t code, uint32_t rest, const void *data, size_t length);

/* Headers of a sent frame, NULL when it is of another type. */
const struct arp_packet *sent_arp(const struct harness *harness, size_t index);
const struct ipv4_header *sent_ipv4(const struct harness *harness, size_t index);
const struct ipv6_header *sent_ipv6(const struct harness *harness, size_t index);
