/*
 * The stub resolver (RFC 1034 §5.3.1, RFC 1035): host names to addresses.
 *
 * Asynchronous: start a query, poll the stack, look at the result, close it. A query
 * belongs to the resolver until dns_query_close, which is allowed at any time. Numeric
 * addresses and names of the hosts text are answered at once, without a server. Normal
 * kernel context; nothing blocks.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "net/ip.h"

#define DNS_NAME_BYTES    256u /* longest name in text form, with its NUL */
#define DNS_ADDRESSES_MAX 16u
#define DNS_QUERIES_MAX   32u

enum dns_family { DNS_IPV4_BIT = 1u << 0, DNS_IPV6_BIT = 1u << 1 };

struct dns_query;

struct dns_result {
    size_t address_count;
    struct ip_address addresses[DNS_ADDRESSES_MAX];
    char canonical_name[DNS_NAME_BYTES]; /* the end of the CNAME chain, no final dot */
};

/*
 * Starts looking `name` up (not NUL-terminated; a final dot is accepted) for the families
 * in `families` (enum dns_family bits). ERR_AI_NONAME: not a host name. ERR_AI_MEMORY: too
 * many queries at once, or no memory. ERR_AI_AGAIN: no server is known.
 */
enum err dns_query_start(struct net_stack *stack, const char *name, size_t name_length,
                         uint32_t families, struct dns_query **out) WARN_UNUSED;

/*
 * ERR_INPROGRESS while waiting. Then ERR_OK with at least one address, ERR_AI_NONAME (no
 * such name, or no address of the families asked for), ERR_AI_AGAIN (no server answered)
 * or ERR_AI_FAIL (a server refused or failed).
 */
enum err dns_query_result(const struct dns_query *query, struct dns_result *out) WARN_UNUSED;

void dns_query_close(struct net_stack *stack, struct dns_query *query);

/* The contents of /etc/hosts; the text must outlive the stack. NULL: none. */
void dns_set_hosts(struct net_stack *stack, const char *text, size_t length_bytes);
