/*
 * A frame as one line, as tcpdump -n shows it. The frame is hostile: every length in it is
 * checked against the bytes that are there. Pure; any context; hosted builds included.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "trace/text.h"

/* Enough for all headers that are shown: Ethernet, IPv6, TCP with options. */
#define TRACE_FRAME_SHOWN_BYTES 128u

/* `frame` holds the first `size_bytes` of a frame of `total_bytes`. */
void trace_packet(struct trace_text *text, const uint8_t *frame, size_t size_bytes,
                  size_t total_bytes);
/* The same of a packet that begins with its IPv4 or IPv6 header. */
void trace_packet_ip(struct trace_text *text, const uint8_t *packet, size_t size_bytes,
                     size_t total_bytes);
