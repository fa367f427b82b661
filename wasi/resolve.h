/*
 * Names to addresses for the socket dialects: what they have in common once their arguments are
 * read. Waits for the answer. Normal kernel context.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernel/base/err.h"
#include "net/dns.h"

/* WasmEdge's numbers, which are also those of the structures below. */
enum wasi_addrinfo_flags {
    AI_PASSIVE_BIT = 1u << 0,
    AI_CANONNAME_BIT = 1u << 1,
    AI_NUMERICHOST_BIT = 1u << 2,
    AI_NUMERICSERV_BIT = 1u << 3,
    AI_V4MAPPED_BIT = 1u << 4,
    AI_ALL_BIT = 1u << 5,
};
#define AI_FLAGS_ALL 0x7fu

#define WASI_SERVICE_BYTES 32u

struct wasi_question {
    char node[DNS_NAME_BYTES]; /* NUL-terminated */
    size_t node_bytes;         /* 0: no name was given */
    char service[WASI_SERVICE_BYTES];
    size_t service_bytes;
    uint16_t flags;      /* enum wasi_addrinfo_flags */
    uint8_t family;      /* enum wasmedge_family */
    uint8_t socket_type; /* enum wasmedge_type */
};

/* ERR_AI_*. Addresses come in the order in which they should be tried. */
enum err wasi_resolve(const struct wasi_question *question, struct dns_result *result,
                      uint16_t *port) WARN_UNUSED;
