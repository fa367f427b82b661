/*
 * Socket addresses of the WasmEdge extension: {u32 buffer, u32 length} in guest memory.
 *
 * Buffers of 4 and 16 bytes hold an IPv4 or IPv6 address as it is; one of 128 bytes
 * holds a 16-bit little-endian family and then the address. All of them are understood wherever
 * an address goes in or comes out, because clients disagree. Normal kernel context.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kernel/base/err.h"
#include "net/socket.h"
#include "wasi/guest_memory.h"

/* WasmEdge's address families and socket types. */
enum wasmedge_family {
    WASMEDGE_FAMILY_UNSPEC = 0,
    WASMEDGE_FAMILY_INET4 = 1,
    WASMEDGE_FAMILY_INET6 = 2,
};
enum wasmedge_type {
    WASMEDGE_TYPE_ANY = 0,
    WASMEDGE_TYPE_DATAGRAM = 1,
    WASMEDGE_TYPE_STREAM = 2,
};

/* ERR_INVAL for another length or a port above 65535, ERR_AFNOSUPPORT for another family. */
enum err wasi_address_read(struct guest_addr address, uint32_t port,
                           struct net_endpoint *out) WARN_UNUSED;
/* ERR_INVAL when the address does not fit. */
enum err wasi_address_write(struct guest_addr address, const struct net_endpoint *endpoint,
                            enum net_family family) WARN_UNUSED;
/* Whether wasi_address_write would succeed, before anything happens that cannot be undone. */
enum err wasi_address_check(struct guest_addr address) WARN_UNUSED;
