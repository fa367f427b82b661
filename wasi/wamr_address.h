/*
 * WAMR's $addr: a kind, then an IPv4 address of four bytes or an IPv6 address of eight 16-bit
 * words in host order, then the port in host order. 24 bytes. Normal kernel context.
 */
#pragma once

#include "kernel/base/err.h"
#include "net/socket.h"
#include "wasi/guest_memory.h"

#define WAMR_ADDRESS_BYTES 24u

enum wamr_socket_type { WAMR_SOCKET_DATAGRAM = 0, WAMR_SOCKET_STREAM = 1 };

/* ERR_AFNOSUPPORT for another kind. */
enum err wasi_wamr_address_read(struct guest_addr address, struct net_endpoint *out) WARN_UNUSED;
enum err wasi_wamr_address_write(struct guest_addr address, const struct net_endpoint *endpoint,
                                 enum net_family family) WARN_UNUSED;
