/*
 * The text of tests/net/scripts/ (test_tcp_scripts.c describes it): words, and segments as they go
 * in and come out. All of it fails the running cmocka test, with the line, when something is wrong.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tests/unit/tcp_harness.h"

#define SCRIPT_TICK_NS (MS / 10)

struct script {
    struct tcp_harness *h;
    const char *path;
    unsigned line;
    const char *at; /* what is left of the line */
    uint32_t peer_first;
    uint32_t stack_first;
    uint16_t stack_port;
    uint16_t peer_port;
    uint64_t earliest_ns; /* of a segment that the line expects */
    uint64_t latest_ns;
    struct net_socket *listener;
    struct net_socket *socket;
};

_Noreturn void script_fail(const struct script *s, const char *what);
void script_check(const struct script *s, bool holds, const char *what);
void script_check_number(const struct script *s, const char *what, uint64_t got, uint64_t wanted);
/* Words: skips space and commas first. */
void script_skip_space(struct script *s);
bool script_take_text(struct script *s, const char *text);
uint32_t script_take_number(struct script *s);
uint64_t script_take_ms(struct script *s);
void script_take_word(struct script *s, char out[32]);
/* The rest of a line after < and >. */
void script_send_segment(struct script *s);
void script_expect_segment(struct script *s);
