/*
 * What the internet layer counted: every packet it drops adds to exactly one of the
 * drop counters. Read-only for others; normal kernel context.
 */
#pragma once

#include <stdint.h>

struct ip_statistics {
    uint64_t received_packets;
    uint64_t sent_packets;
    uint64_t dropped_frame; /* too short, not for us, unknown type */
    uint64_t dropped_arp;
    uint64_t dropped_header;   /* malformed IPv4 or IPv6 header */
    uint64_t dropped_address;  /* impossible source, or not our destination */
    uint64_t dropped_fragment; /* reassembly: overlap, limits, time-out */
    uint64_t dropped_icmp;
    uint64_t dropped_ndp;
    uint64_t dropped_udp; /* malformed, bad checksum, queue full */
    uint64_t dropped_dhcp;
    uint64_t dropped_dns;
    uint64_t dropped_unroutable; /* to send: no route, no neighbour, too long */
    uint64_t dropped_backlog;    /* to send: device ring and backlog full */
    uint64_t dropped_memory;
    uint64_t address_conflicts; /* another host claims an address of ours */
    uint64_t echo_replies;
    uint64_t reassembled;
};

struct net_stack;
const struct ip_statistics *ip_statistics_of(const struct net_stack *stack);
