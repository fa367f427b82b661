/*
 * The wire formats of the link, internet and transport layers: bytes, and nothing else.
 *
 * Every struct has alignment 1 and a size checked here, so that after one length check a
 * header may be overlaid on any byte of a frame and no accessor can fail. Multi-byte fields
 * are wrapped in their own types: reading one without its byte-order accessor does not
 * compile. No memory is owned here; any context.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct be16 {
    uint8_t byte[2];
};

struct be32 {
    uint8_t byte[4];
};

static inline uint16_t be16_get(struct be16 field)
{
    return (uint16_t)((unsigned)field.byte[0] << 8 | field.byte[1]);
}

static inline uint32_t be32_get(struct be32 field)
{
    return (uint32_t)field.byte[0] << 24 | (uint32_t)field.byte[1] << 16 |
           (uint32_t)field.byte[2] << 8 | field.byte[3];
}

static inline struct be16 be16_make(uint16_t value)
{
    return (struct be16){{(uint8_t)(value >> 8), (uint8_t)value}};
}

static inline struct be32 be32_make(uint32_t value)
{
    return (struct be32){
        {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value}};
}

/*
 * A checksum field moves in memory order: Internet checksum arithmetic does not care about
 * byte order (RFC 1071 §2(B)), so net/checksum.h never swaps.
 */
static inline struct be16 be16_from_sum(uint16_t sum)
{
    struct be16 field;
    __builtin_memcpy(&field, &sum, sizeof(field));
    return field;
}

/* ---- Ethernet (IEEE 802.3) ---------------------------------------------------------------- */

struct ethernet_header {
    uint8_t destination[6];
    uint8_t source[6];
    struct be16 type;
};
_Static_assert(sizeof(struct ethernet_header) == 14, "Ethernet header");

#define ETHERTYPE_IPV4 0x0800u
#define ETHERTYPE_ARP  0x0806u
#define ETHERTYPE_IPV6 0x86ddu

/* ---- ARP for IPv4 over Ethernet (RFC 826) -------------------------------------------------- */

struct arp_packet {
    struct be16 hardware_type;
    struct be16 protocol_type;
    uint8_t hardware_length;
    uint8_t protocol_length;
    struct be16 operation;
    uint8_t sender_hardware[6];
    uint8_t sender_protocol[4];
    uint8_t target_hardware[6];
    uint8_t target_protocol[4];
};
_Static_assert(sizeof(struct arp_packet) == 28, "ARP packet");

#define ARP_HARDWARE_ETHERNET 1u
#define ARP_REQUEST           1u
#define ARP_REPLY             2u

/* ---- IPv4 (RFC 791 §3.1) -------------------------------------------------------------------- */

struct ipv4_header {
    uint8_t version_length; /* version 4 in the high nibble, header words in the low one */
    uint8_t traffic_class;  /* DSCP and, in the low two bits, ECN (RFC 3168) */
    struct be16 total_length;
    struct be16 identification;
    struct be16 fragment; /* flags and offset in units of 8 bytes */
    uint8_t time_to_live;
    uint8_t protocol;
    struct be16 checksum;
    uint8_t source[4];
    uint8_t destination[4];
};
_Static_assert(sizeof(struct ipv4_header) == 20, "IPv4 header");

#define IPV4_FRAGMENT_DONT_BIT    0x4000u
#define IPV4_FRAGMENT_MORE_BIT    0x2000u
#define IPV4_FRAGMENT_OFFSET_MASK 0x1fffu

/* ---- IPv6 (RFC 8200 §3, §4) ----------------------------------------------------------------- */

struct ipv6_header {
    struct be32 version_class_flow;
    struct be16 payload_length;
    uint8_t next_header;
    uint8_t hop_limit;
    uint8_t source[16];
    uint8_t destination[16];
};
_Static_assert(sizeof(struct ipv6_header) == 40, "IPv6 header");

/* Hop-by-hop, routing and destination options share their first two bytes. */
struct ipv6_extension {
    uint8_t next_header;
    uint8_t length; /* in units of 8 bytes, the first 8 not counted */
};
_Static_assert(sizeof(struct ipv6_extension) == 2, "IPv6 extension header");

struct ipv6_fragment {
    uint8_t next_header;
    uint8_t reserved;
    struct be16 offset_more; /* byte offset in the upper 13 bits, "more" in bit 0 */
    struct be32 identification;
};
_Static_assert(sizeof(struct ipv6_fragment) == 8, "IPv6 fragment header");

#define IPV6_NEXT_HOP_BY_HOP 0u
#define IPV6_NEXT_ROUTING    43u
#define IPV6_NEXT_FRAGMENT   44u
#define IPV6_NEXT_NONE       59u
#define IPV6_NEXT_OPTIONS    60u

/* ---- ICMP (RFC 792) and ICMPv6 (RFC 4443) ---------------------------------------------------- */

struct icmp_header {
    uint8_t type;
    uint8_t code;
    struct be16 checksum;
    struct be32 rest; /* identifier and sequence, MTU, pointer, or unused */
};
_Static_assert(sizeof(struct icmp_header) == 8, "ICMP header");

#define ICMP_ECHO_REPLY          0u
#define ICMP_UNREACHABLE         3u
#define ICMP_ECHO_REQUEST        8u
#define ICMP_TIME_EXCEEDED       11u
#define ICMP_PARAMETER_PROBLEM   12u
#define ICMP_CODE_NET            0u
#define ICMP_CODE_HOST           1u
#define ICMP_CODE_PROTOCOL       2u
#define ICMP_CODE_PORT           3u
#define ICMP_CODE_FRAGMENT       4u /* fragmentation needed and DF set */
#define ICMP_CODE_REASSEMBLY     1u /* of time exceeded */
#define ICMPV6_UNREACHABLE       1u
#define ICMPV6_TOO_BIG           2u
#define ICMPV6_TIME_EXCEEDED     3u
#define ICMPV6_PARAMETER_PROBLEM 4u
#define ICMPV6_ECHO_REQUEST      128u
#define ICMPV6_ECHO_REPLY        129u
#define ICMPV6_LISTENER_QUERY    130u
#define ICMPV6_LISTENER_REPORT   143u /* version 2 */
#define ICMPV6_ROUTER_SOLICIT    133u
#define ICMPV6_ROUTER_ADVERT     134u
#define ICMPV6_NEIGHBOUR_SOLICIT 135u
#define ICMPV6_NEIGHBOUR_ADVERT  136u
#define ICMPV6_CODE_PORT         4u

/* ---- Neighbour discovery (RFC 4861 §4) --------------------------------------------------------
 */

struct ndp_router_advert { /* after the ICMPv6 header */
    struct be32 reachable_ms;
    struct be32 retransmit_ms;
};
_Static_assert(sizeof(struct ndp_router_advert) == 8, "router advertisement");

struct ndp_neighbour { /* solicitation or advertisement, after the ICMPv6 header */
    uint8_t target[16];
};
_Static_assert(sizeof(struct ndp_neighbour) == 16, "neighbour message");

struct ndp_option {
    uint8_t type;
    uint8_t length; /* in units of 8 bytes */
};
_Static_assert(sizeof(struct ndp_option) == 2, "NDP option");

struct ndp_link_option {
    struct ndp_option option;
    uint8_t address[6];
};
_Static_assert(sizeof(struct ndp_link_option) == 8, "link-layer address option");

struct ndp_prefix_option {
    struct ndp_option option;
    uint8_t prefix_length;
    uint8_t flags;
    struct be32 valid_s;
    struct be32 preferred_s;
    struct be32 reserved;
    uint8_t prefix[16];
};
_Static_assert(sizeof(struct ndp_prefix_option) == 32, "prefix option");

struct ndp_mtu_option {
    struct ndp_option option;
    struct be16 reserved;
    struct be32 mtu;
};
_Static_assert(sizeof(struct ndp_mtu_option) == 8, "MTU option");

#define NDP_OPTION_SOURCE_LINK  1u
#define NDP_OPTION_TARGET_LINK  2u
#define NDP_OPTION_PREFIX       3u
#define NDP_OPTION_MTU          5u
#define NDP_OPTION_DNS          25u /* RFC 8106 */
#define NDP_PREFIX_ON_LINK_BIT  0x80u
#define NDP_PREFIX_AUTO_BIT     0x40u
#define NDP_ADVERT_ROUTER_BIT   0x80000000u
#define NDP_ADVERT_SOLICIT_BIT  0x40000000u
#define NDP_ADVERT_OVERRIDE_BIT 0x20000000u

/* ---- UDP (RFC 768) and TCP (RFC 9293 §3.1) -----------------------------------------------------
 */

struct udp_header {
    struct be16 source_port;
    struct be16 destination_port;
    struct be16 length;
    struct be16 checksum;
};
_Static_assert(sizeof(struct udp_header) == 8, "UDP header");

struct tcp_header {
    struct be16 source_port;
    struct be16 destination_port;
    struct be32 sequence;
    struct be32 acknowledgement;
    uint8_t data_offset; /* header words in the high nibble */
    uint8_t flags;
    struct be16 window;
    struct be16 checksum;
    struct be16 urgent;
};
_Static_assert(sizeof(struct tcp_header) == 20, "TCP header");

/* ---- DHCPv4 (RFC 2131 §2) and DNS (RFC 1035 §4.1.1) ---------------------------------------------
 */

struct dhcp_message {
    uint8_t operation;
    uint8_t hardware_type;
    uint8_t hardware_length;
    uint8_t hops;
    struct be32 transaction;
    struct be16 seconds;
    struct be16 flags;
    uint8_t client_address[4];
    uint8_t your_address[4];
    uint8_t server_address[4];
    uint8_t relay_address[4];
    uint8_t client_hardware[16];
    uint8_t server_name[64];
    uint8_t file[128];
    struct be32 magic;
};
_Static_assert(sizeof(struct dhcp_message) == 240, "DHCP message");

struct dns_header {
    struct be16 id;
    struct be16 flags;
    struct be16 question_count;
    struct be16 answer_count;
    struct be16 authority_count;
    struct be16 additional_count;
};
_Static_assert(sizeof(struct dns_header) == 12, "DNS header");
