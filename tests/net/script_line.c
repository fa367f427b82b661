#include "tests/net/script.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void print_segment(const struct script *s, const struct seg *seg)
{
    print_error(
        "  sent at %.1f ms: %s%s%s%s%s%s%s %u:%u(%u) ack %u win %u sack %u (%u:%u) ect %d\n",
        (double)(seg->time_ns % (1000 * SECOND)) / 1e6, seg->flags & SYN ? "S" : "",
        seg->flags & FIN ? "F" : "", seg->flags & RST ? "R" : "", seg->flags & PSH ? "P" : "",
        seg->flags & TCP_ECE_BIT ? "E" : "", seg->flags & TCP_CWR_BIT ? "W" : "",
        seg->flags & ACK ? "." : "", seg->seq - s->stack_first,
        seg->seq - s->stack_first + seg->length, seg->length, seg->ack - s->peer_first, seg->window,
        seg->sack_count, seg->sack[0] - s->peer_first, seg->sack[1] - s->peer_first, seg->ect);
}

_Noreturn void script_fail(const struct script *s, const char *what)
{
    print_error("%s:%u: %s\n", s->path, s->line, what);
    for (size_t i = s->h->looked_at; i < s->h->sent_count; i++) {
        print_segment(s, &s->h->sent[i]);
    }
    fail();
    abort();
}

void script_check(const struct script *s, bool holds, const char *what)
{
    if (!holds) {
        script_fail(s, what);
    }
}

void script_check_number(const struct script *s, const char *what, uint64_t got, uint64_t wanted)
{
    char text[96];

    if (got != wanted) {
        snprintf(text, sizeof(text), "%s is %llu, should be %llu", what, (unsigned long long)got,
                 (unsigned long long)wanted);
        script_fail(s, text);
    }
}

/* ---- Words -------------------------------------------------------------------------------------
 */

void script_skip_space(struct script *s)
{
    while (*s->at == ' ' || *s->at == '\t' || *s->at == ',') {
        s->at++;
    }
}

bool script_take_text(struct script *s, const char *text)
{
    size_t length = strlen(text);

    script_skip_space(s);
    if (strncmp(s->at, text, length) != 0) {
        return false;
    }
    s->at += length;
    return true;
}

uint32_t script_take_number(struct script *s)
{
    char *end;

    script_skip_space(s);
    unsigned long long value = strtoull(s->at, &end, 10);
    script_check(s, end != s->at, "a number is missing");
    s->at = end;
    return (uint32_t)value;
}

uint64_t script_take_ms(struct script *s)
{
    char *end;
    double value = strtod(s->at, &end);

    script_check(s, end != s->at && value >= 0, "a time is missing");
    s->at = end;
    return (uint64_t)(value * 1e6 + 0.5);
}

void script_take_word(struct script *s, char out[32])
{
    size_t length = 0;

    script_skip_space(s);
    while (*s->at > ' ' && length < 31) {
        out[length++] = *s->at++;
    }
    out[length] = '\0';
}

/* ---- Segments
 * ------------------------------------------------------------------------------------ */

/* What a segment line says; has_* tells what it leaves out. */
struct described {
    struct seg seg;
    bool has_window, has_options, has_push, any_value, any_echo;
    bool wants_ect, wants_no_ect;
};

static uint8_t take_flags(struct script *s)
{
    static const struct {
        char letter;
        uint8_t bit;
    } letters[] = {{'S', SYN}, {'F', FIN},         {'R', RST},        {'P', PSH},
                   {'.', ACK}, {'E', TCP_ECE_BIT}, {'W', TCP_CWR_BIT}};
    uint8_t flags = 0;

    script_skip_space(s);
    for (; *s->at > ' '; s->at++) {
        unsigned i = 0;
        while (i < 7 && letters[i].letter != *s->at) {
            i++;
        }
        script_check(s, i < 7, "not a flag");
        flags |= letters[i].bit;
    }
    return flags;
}

static void take_options(struct script *s, struct described *out)
{
    out->has_options = true;
    while (!script_take_text(s, ">")) {
        if (script_take_text(s, "mss")) {
            out->seg.mss = (uint16_t)script_take_number(s);
        } else if (script_take_text(s, "sackOK")) {
            out->seg.sack_ok = true;
        } else if (script_take_text(s, "wscale")) {
            out->seg.shift = (uint8_t)(script_take_number(s) + 1);
        } else if (script_take_text(s, "TS val")) {
            out->seg.timestamps = true;
            out->any_value = script_take_text(s, "*");
            out->seg.value = out->any_value ? 0 : script_take_number(s);
            script_check(s, script_take_text(s, "ecr"), "TS val N ecr N");
            out->any_echo = script_take_text(s, "*");
            out->seg.echo = out->any_echo ? 0 : script_take_number(s);
        } else if (script_take_text(s, "sack")) {
            for (script_skip_space(s); *s->at >= '0' && *s->at <= '9'; script_skip_space(s)) {
                script_check(s, out->seg.sack_count < 4, "too many blocks");
                out->seg.sack[out->seg.sack_count * 2] = script_take_number(s);
                script_check(s, script_take_text(s, ":"), "a block is START:END");
                out->seg.sack[out->seg.sack_count++ * 2 + 1] = script_take_number(s);
            }
        } else {
            script_fail(s, "not an option");
        }
    }
}

static void take_segment(struct script *s, struct described *out)
{
    *out = (struct described){0};
    if (script_take_text(s, "[ce]")) {
        out->seg.ect = true;
    } else if (script_take_text(s, "[ect0]")) {
        out->wants_ect = true;
    } else if (script_take_text(s, "[noecn]")) {
        out->wants_no_ect = true;
    }
    out->seg.flags = take_flags(s);
    out->has_push = (out->seg.flags & PSH) != 0;
    out->seg.seq = script_take_number(s);
    script_check(s, script_take_text(s, ":"), "SEQ:END(LENGTH)");
    uint32_t end = script_take_number(s);
    script_check(s, script_take_text(s, "("), "SEQ:END(LENGTH)");
    out->seg.length = script_take_number(s);
    script_check(s, script_take_text(s, ")") && end == out->seg.seq + out->seg.length,
                 "SEQ:END(LENGTH)");
    if (script_take_text(s, "ack")) {
        out->seg.ack = script_take_number(s);
    }
    if (script_take_text(s, "win")) {
        out->has_window = true;
        out->seg.window = (uint16_t)script_take_number(s);
    }
    if (script_take_text(s, "<")) {
        take_options(s, out);
    }
}

void script_send_segment(struct script *s)
{
    struct described line;
    struct seg *seg = &line.seg;

    take_segment(s, &line);
    seg->seq += s->peer_first;
    seg->ack += (seg->flags & ACK) ? s->stack_first : 0;
    for (unsigned i = 0; i < seg->sack_count * 2u; i++) {
        seg->sack[i] += s->stack_first;
    }
    seg->window = line.has_window ? seg->window : 65535;
    seg->source_port = s->peer_port;
    seg->destination_port = s->stack_port;
    tcp_inject(s->h, seg);
}

static void compare_options(const struct script *s, const struct described *line,
                            const struct seg *got)
{
    script_check_number(s, "mss", got->mss, line->seg.mss);
    script_check_number(s, "sackOK", got->sack_ok, line->seg.sack_ok);
    script_check_number(s, "wscale (0: none, 1: 0, ...)", got->shift, line->seg.shift);
    script_check_number(s, "presence of TS", got->timestamps, line->seg.timestamps);
    if (line->seg.timestamps && !line->any_value) {
        script_check_number(s, "TS val", got->value, line->seg.value);
    }
    if (line->seg.timestamps && !line->any_echo) {
        script_check_number(s, "TS ecr", got->echo, line->seg.echo);
    }
}

void script_expect_segment(struct script *s)
{
    struct tcp_harness *h = s->h;
    struct described line;

    take_segment(s, &line);
    while (h->looked_at == h->sent_count && h->now_ns < s->latest_ns) {
        tcp_advance(h, SCRIPT_TICK_NS);
    }
    script_check(s, h->looked_at < h->sent_count, "nothing was sent");
    const struct seg *got = &h->sent[h->looked_at];
    if (got->flags & SYN) {
        s->stack_first = got->seq;
        s->stack_port = got->source_port;
    }
    script_check(s, got->time_ns >= s->earliest_ns, "sent too early");
    uint8_t mask = line.has_push ? 0xff : (uint8_t)~PSH;
    script_check_number(s, "flags", got->flags & mask, line.seg.flags);
    script_check_number(s, "seq", got->seq - s->stack_first, line.seg.seq);
    script_check_number(s, "length", got->length, line.seg.length);
    if (line.seg.flags & ACK) {
        script_check_number(s, "ack", got->ack - s->peer_first, line.seg.ack);
    }
    if (line.has_window) {
        script_check_number(s, "win", got->window, line.seg.window);
    }
    if (line.has_options) {
        compare_options(s, &line, got);
    }
    script_check_number(s, "number of SACK blocks", got->sack_count, line.seg.sack_count);
    for (unsigned i = 0; i < got->sack_count * 2u; i++) {
        script_check_number(s, "edge of a SACK block", got->sack[i] - s->peer_first,
                            line.seg.sack[i]);
    }
    script_check(s, !line.wants_ect || got->ect, "not marked ECT(0)");
    script_check(s, !line.wants_no_ect || !got->ect, "marked ECT(0)");
    h->looked_at++;
}
