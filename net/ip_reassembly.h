/*
 * Reassembly of IPv4 (RFC 791 §3.2) and IPv6 (RFC 8200 §4.5) fragments.
 *
 * Inside of net/; the state is part of struct ip_state. Bounded in datagrams, fragments and
 * bytes; fragments are copied, so that waiting ones never pin the device's receive buffers.
 * Overlapping fragments condemn the whole datagram in both families (RFC 5722 §4); an exact
 * duplicate is merely ignored.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "net/ip.h"
#include "net/timer.h"

#define REASSEMBLY_DATAGRAMS_MAX 16u
#define REASSEMBLY_FRAGMENTS_MAX 64u
#define REASSEMBLY_BYTES_MAX     (512u * 1024u)
#define REASSEMBLY_HEADER_MAX    60u

struct ip_fragment_info {
    struct ip_received ip; /* payload: this fragment's */
    uint32_t identification;
    uint32_t offset_bytes;
    bool more;
    uint32_t header_bytes; /* of the IP header at ip.header_offset, kept with the datagram */
};

struct reassembly_datagram {
    struct net_timer timer;      /* first: the timer leads back here; set while the entry is used */
    struct ip_fragment_info key; /* of the first fragment that came */
    struct net_buffer *fragments; /* sorted; each holds one, its offset in gso_size_bytes * 8 */
    uint32_t fragment_count;
    uint32_t held_bytes;
    uint32_t total_bytes; /* of the payload; 0 until the last fragment came */
    bool condemned;       /* an overlap was seen: swallow the rest */
    bool congested;       /* a fragment carried the congestion mark */
    uint8_t header_bytes;
    uint8_t header[REASSEMBLY_HEADER_MAX]; /* of the fragment at offset 0 */
    bool have_header;
};

struct ip_reassembly {
    uint32_t held_bytes;
    uint32_t next_victim;
    struct reassembly_datagram datagrams[REASSEMBLY_DATAGRAMS_MAX];
};

/*
 * Takes ownership of the fragment. Returns the whole datagram when it is complete
 * (*whole describes it), else NULL.
 */
struct net_buffer *ip_reassemble(struct net_stack *stack, struct net_buffer *chain,
                                 const struct ip_fragment_info *fragment,
                                 struct ip_received *whole) WARN_UNUSED;
void ip_reassembly_destroy(struct net_stack *stack);
