/*
 * Two stacks on one wire, in virtual time: everything that happens follows from a seed.
 *
 * A simulation owns two hosts (a stack, a fake network card, a random generator) and the
 * link between them, which delays, drops, reorders, doubles and damages frames. Time jumps from
 * event to event. Memory of the stacks is counted: sim_destroy checks that all of it came back.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/net.h"
#include "net/socket.h"
#include "net/stack.h"

#define SIM_MS 1000000ull
#define SIM_S  1000000000ull

/* What one direction does to frames; probabilities in parts per million. */
struct sim_link_config {
    uint64_t delay_ns;
    uint64_t jitter_ns;        /* uniform; order is kept unless reorder_ppm hits */
    uint64_t bytes_per_second; /* 0: no limit */
    uint32_t queue_bytes;      /* in front of the bottleneck */
    uint32_t loss_ppm;
    uint32_t burst_ppm; /* a burst of losses begins */
    uint32_t burst_frames;
    uint32_t reorder_ppm;
    uint64_t reorder_ns; /* how much longer such a frame takes */
    uint32_t duplicate_ppm;
    uint32_t corrupt_ppm;
    uint32_t strip;    /* enum sim_strip: options removed from SYNs */
    uint32_t thin_ppm; /* pure acknowledgements dropped */
    /* From then on only so large packets pass; IPv4 senders are told, unless it is silent. */
    uint32_t narrow_mtu_bytes; /* 0: never */
    uint64_t narrow_after_frames;
    bool narrow_silently;
};

enum sim_strip { SIM_STRIP_SACK = 1, SIM_STRIP_TIMESTAMPS = 2, SIM_STRIP_SCALING = 4 };

struct sim_frame;
struct sim;

struct sim_host {
    struct sim *sim;
    struct net_stack *stack;
    struct netdev device;
    struct sim_link_config link; /* outwards */
    struct sim_frame *wire;      /* on the way to this host, by time */
    struct sim_frame *received;  /* waiting for device poll */
    struct sim_frame *received_last;
    struct net_packet *held; /* transmitted, `done` not yet called */
    size_t held_count;
    uint32_t part_bytes;    /* size of receive buffers */
    uint64_t busy_until_ns; /* the bottleneck */
    uint64_t last_arrival_ns;
    uint32_t burst_left;
    size_t allocated_bytes;
    size_t allocated_count;
    uint64_t allocations_fail_ppm; /* fault injection */
    uint64_t allocations_asked;    /* since the stack began */
    uint64_t fail_first;           /* this one, counted from 1, fails; 0: none */
    uint64_t fail_count;           /* so many in a row do */
    uint64_t woken;
    uint64_t frames_sent;
    uint64_t bytes_sent;
    uint64_t frames_dropped;
    uint64_t buffers_out; /* receive buffers the stack holds */
    uint64_t flushes;
};

struct sim {
    uint64_t now_ns;
    uint64_t random_state;
    uint64_t events;
    bool broken; /* a stack did what it must not */
    const char *reason;
    struct sim_host host[2];
};

struct sim_config {
    uint64_t seed;
    uint16_t mtu_bytes;
    uint32_t features[2]; /* enum netdev_feature */
    uint32_t part_bytes;
    size_t receive_pool_bytes;
    size_t memory_limit_bytes;
    struct sim_link_config link[2];
    bool dhcp[2];           /* no address but what a server gives */
    uint64_t fail_first[2]; /* struct sim_host; making the stack is tried until it succeeds */
    uint64_t fail_count[2];
};

uint64_t sim_random(struct sim *sim);
/* Uniform in [0, bound). */
uint64_t sim_below(struct sim *sim, uint64_t bound);
bool sim_chance(struct sim *sim, uint32_t ppm);

void sim_create(struct sim *sim, const struct sim_config *config);
/* Checks that nothing leaked; sets sim->broken otherwise. */
void sim_destroy(struct sim *sim);
/* Polls both stacks until they are quiet, then moves on to the next event before limit_ns. */
void sim_step(struct sim *sim, uint64_t limit_ns);
/* A frame that no host sent, straight into the stack. */
void sim_inject(struct sim_host *host, const uint8_t *data, uint32_t length);
void sim_fail(struct sim *sim, const char *reason);

struct ip_address sim_address(unsigned host);
/* The link-local one; there once duplicate address detection is over. */
struct ip_address sim_address_ipv6(const struct sim *sim, unsigned host);

/* sim_link.c: a frame that host's card sends. */
void sim_link_send(struct sim_host *from, struct net_packet *packet);
void sim_link_deliver(struct sim_host *host);
void sim_link_clear(struct sim_host *host);

struct sim_frame {
    struct sim_frame *next;
    uint64_t arrival_ns;
    uint32_t length;
    uint8_t gso;
    uint16_t gso_size;
    bool checksum_valid;
    uint8_t data[];
};
