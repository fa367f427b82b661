/*
 * A resolver that knows what a test tells it.
 */
#pragma once

#include "net/dns.h"

struct fake_dns {
    enum err start_answer;
    enum err answer; /* ERR_OK: result below */
    unsigned rounds; /* dns_query_result calls that answer ERR_INPROGRESS first */
    uint32_t asked_families;
    char asked_name[DNS_NAME_BYTES];
    struct dns_result result;
    int open_count;
};

extern struct fake_dns fake_dns;
