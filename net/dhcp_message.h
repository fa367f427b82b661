/*
 * DHCPv4 messages (RFC 2131 §2, RFC 2132): building ours, taking theirs apart.
 *
 * Inside of net/. Pure functions on the caller's memory; any context.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/wire.h"

#define DHCP_MESSAGE_BYTES_MAX 548u /* what every server and relay must accept */
#define DHCP_DNS_SERVERS_MAX   4u
#define DHCP_HOSTNAME_BYTES    64u

enum dhcp_type {
    DHCP_NONE,
    DHCP_DISCOVER,
    DHCP_OFFER,
    DHCP_REQUEST,
    DHCP_DECLINE,
    DHCP_ACK,
    DHCP_NAK,
    DHCP_RELEASE,
};

struct dhcp_request {
    enum dhcp_type type;
    uint32_t transaction;
    uint16_t seconds;
    uint8_t hardware[6];
    uint8_t client_address[4]; /* ciaddr; zero unless bound */
    uint8_t requested[4];      /* option 50; zero: absent */
    uint8_t server[4];         /* option 54; zero: absent */
    const char *hostname;      /* option 12; NULL or "": absent */
};

/* What a server said. Absent addresses are zero, absent times 0. */
struct dhcp_reply {
    enum dhcp_type type;
    uint8_t address[4];
    uint8_t server[4];
    uint8_t router[4];
    uint8_t prefix_length;
    uint8_t dns_count;
    uint8_t dns[DHCP_DNS_SERVERS_MAX][4];
    uint32_t lease_s;
    uint32_t renew_s;
    uint32_t rebind_s;
    uint16_t mtu_bytes;
};

/* Writes at most DHCP_MESSAGE_BYTES_MAX; returns the length. */
size_t dhcp_message_build(const struct dhcp_request *request, uint8_t *out);

/* False: not a well-formed reply to this client's transaction. */
bool dhcp_message_parse(const uint8_t *data, size_t length, uint32_t transaction,
                        const uint8_t hardware[6], struct dhcp_reply *out);
