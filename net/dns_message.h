/*
 * DNS messages (RFC 1035 §4): building queries, taking answers apart.
 *
 * Inside of net/. Pure functions on the caller's memory; any context. Names are text:
 * lower case, dots between labels, no final dot.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/dns.h"

#define DNS_QUERY_BYTES_MAX 288u /* header, longest name, type, class, and spare */
#define DNS_TYPE_A          1u
#define DNS_TYPE_CNAME      5u
#define DNS_TYPE_AAAA       28u

enum dns_answer {
    DNS_ANSWER_FOREIGN,   /* not the answer to this question, or malformed: ignore it */
    DNS_ANSWER_TRUNCATED, /* ask again over TCP (RFC 7766) */
    DNS_ANSWER_FOUND,     /* addresses were added to the result */
    DNS_ANSWER_ALIAS,     /* only a CNAME: ask for result->canonical_name */
    DNS_ANSWER_NONE,      /* the name or the type does not exist */
    DNS_ANSWER_FAILURE,   /* the server cannot or will not say */
};

/* Copies a host name in canonical text form; false: not a host name (RFC 1123 §2.1, plus '_'). */
bool dns_name_normalize(const char *name, size_t length, char out[DNS_NAME_BYTES]);

/* Writes at most DNS_QUERY_BYTES_MAX; returns the length. `name` is normalized. */
size_t dns_message_build(uint16_t id, const char *name, uint16_t type, uint8_t *out);

/*
 * Judges a received message against a question and appends the addresses it gives to *result,
 * whose canonical_name it sets.
 */
enum dns_answer dns_message_parse(const uint8_t *data, size_t length, uint16_t id, const char *name,
                                  uint16_t type, struct dns_result *result);
