/*
 * Plays tests/net/scripts/ against the stack: one connection, segment by segment, in virtual time.
 *
 *   test_tcp_scripts [FILE...]     all of tests/net/scripts/, or these
 *
 * A line is "[+MS] what", MS milliseconds (1.5, or 200~210 for a segment that may come within
 * that time) after the line before. Empty lines and what follows # do not count.
 *
 *   < [ce] FLAGS SEQ:END(LENGTH) [ack N] [win N] [<options>]   the peer sends
 *   > [ect0] FLAGS ...                                         the stack has sent, just this
 *       FLAGS of S F R P E(CE) W(CWR) and . (ACK); P counts only where the script has it. Numbers
 *       are relative to the sides' first ones. Options as in packetdrill, without padding: mss
 * 1460, sackOK, wscale 7, TS val 1 ecr 2 (or *), sack 1:2 3:4. What a > line leaves out is not
 *       looked at, SACK blocks excepted; [ect0] and [noecn] look at the IP header.
 *   listen [BACKLOG], connect, accept, write N, read N, end, shutdown, close
 *   fails ERROR                 the pending error (the name in kernel/base/err.h)
 *   set OPTION N                nodelay, keepalive, keepidle, keepintvl, keepcnt, rcvbuf, linger,
 *                               usertimeout
 *   expect WHAT N               cwnd and ssthresh (in segments), mss, status, waiting (TIME-WAIT
 *                               entries), requests, sockets, challenges, cookies, rto
 *   isn N                       where the peer's numbers begin, from now on
 *   flood N                     N SYNs from other ports
 *   resets N                    N RSTs from the peer that are in the window but not exact
 *   too-big MTU SEQ             an ICMP error about the segment that begins with SEQ
 *
 * A segment that the stack sends and no line expects fails the script, as does anything not
 * understood.
 */
#include <dirent.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/base/err.h"
#include "tests/net/script.h"

#define FOLDER      "tests/net/scripts"
#define SCRIPTS_MAX 128u

/* ---- Calls
 * --------------------------------------------------------------------------------------- */

static const struct tcp_socket *connection(const struct script *s)
{
    const struct tcp_socket *sock = s->h->stack->tcp->all;

    while (sock != NULL && sock->status == TCP_LISTEN) {
        sock = sock->all_next;
    }
    script_check(s, sock != NULL, "there is no connection");
    return sock;
}

static void open_socket(struct script *s, struct net_socket **out)
{
    script_check_number(
        s, "open", net_socket_open(s->h->stack, NET_FAMILY_IPV4, NET_SOCKET_STREAM, out), ERR_OK);
}

static void do_listen(struct script *s)
{
    struct net_endpoint local = {.port = 80};

    script_skip_space(s);
    open_socket(s, &s->listener);
    script_check_number(s, "bind", net_socket_bind(s->listener, &local), ERR_OK);
    script_check_number(s, "listen",
                        net_socket_listen(s->listener, *s->at ? script_take_number(s) : 8), ERR_OK);
    s->stack_port = 80;
    s->peer_port = 4000;
}

static void do_connect(struct script *s)
{
    struct net_endpoint remote = {.address = ip_address_from_ipv4((uint8_t[4]){10, 0, 0, 1}),
                                  .port = 7000};

    open_socket(s, &s->socket);
    s->peer_port = 7000;
    script_check_number(s, "connect", net_socket_connect(s->socket, &remote), ERR_INPROGRESS);
    tcp_poll_now(s->h);
}

static void do_write(struct script *s)
{
    size_t left = script_take_number(s);

    while (left > 0) {
        struct net_span span;
        script_check_number(s, "write", net_socket_send_reserve(s->socket, left, &span), ERR_OK);
        memset(span.data, 'w', span.length_bytes);
        script_check_number(s, "write", net_socket_send_commit(s->socket, span.length_bytes, NULL),
                            ERR_OK);
        left -= span.length_bytes;
    }
    tcp_poll_now(s->h);
}

static void do_read(struct script *s)
{
    size_t wanted = script_take_number(s);
    size_t done = 0;
    struct net_const_span span;

    while (done < wanted && net_socket_receive_peek(s->socket, 0, &span) == ERR_OK &&
           span.length_bytes > 0) {
        size_t take = span.length_bytes < wanted - done ? span.length_bytes : wanted - done;
        net_socket_receive_consume(s->socket, take);
        done += take;
    }
    script_check_number(s, "bytes read", done, wanted);
    tcp_poll_now(s->h);
}

static void do_end(struct script *s)
{
    struct net_const_span span = {.length_bytes = 1};

    script_check_number(s, "read", net_socket_receive_peek(s->socket, 0, &span), ERR_OK);
    script_check_number(s, "bytes before the end", span.length_bytes, 0);
}

static void do_fails(struct script *s)
{
    static const struct {
        const char *name;
        enum err error;
    } errors[] = {{"ERR_CONNREFUSED", ERR_CONNREFUSED}, {"ERR_CONNRESET", ERR_CONNRESET},
                  {"ERR_TIMEDOUT", ERR_TIMEDOUT},       {"ERR_PIPE", ERR_PIPE},
                  {"ERR_HOSTUNREACH", ERR_HOSTUNREACH}, {"ERR_OK", ERR_OK}};
    char name[32];
    int64_t got = 0;

    script_take_word(s, name);
    script_check_number(s, "asking", net_socket_get_option(s->socket, NET_OPTION_ERROR, &got),
                        ERR_OK);
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (strcmp(errors[i].name, name) == 0) {
            script_check_number(s, "error", (uint64_t)got, errors[i].error);
            return;
        }
    }
    script_fail(s, "not an error");
}

static void do_set(struct script *s)
{
    static const struct {
        const char *name;
        enum net_socket_option option;
    } options[] = {{"nodelay", NET_OPTION_NO_DELAY},   {"keepalive", NET_OPTION_KEEP_ALIVE},
                   {"keepidle", NET_OPTION_KEEP_IDLE}, {"keepintvl", NET_OPTION_KEEP_INTERVAL},
                   {"keepcnt", NET_OPTION_KEEP_COUNT}, {"rcvbuf", NET_OPTION_RECEIVE_BUFFER},
                   {"linger", NET_OPTION_LINGER},      {"usertimeout", NET_OPTION_USER_TIMEOUT}};
    struct net_socket *socket = s->socket != NULL ? s->socket : s->listener;
    char name[32];

    script_take_word(s, name);
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if (strcmp(options[i].name, name) == 0) {
            script_check_number(
                s, "set", net_socket_set_option(socket, options[i].option, script_take_number(s)),
                ERR_OK);
            tcp_poll_now(s->h);
            return;
        }
    }
    script_fail(s, "not a socket option");
}

static const char *status_name(unsigned status)
{
    static const char *const names[] = {"CLOSED",      "LISTEN",     "SYN_SENT",   "SYN_RECEIVED",
                                        "ESTABLISHED", "FIN_WAIT_1", "FIN_WAIT_2", "CLOSE_WAIT",
                                        "CLOSING",     "LAST_ACK"};
    return names[status];
}

static void do_expect(struct script *s)
{
    const struct tcp_state *tcp = s->h->stack->tcp;
    char name[32];
    char value[32];

    script_take_word(s, name);
    if (strcmp(name, "status") == 0) {
        script_take_word(s, value);
        if (strcmp(value, status_name(connection(s)->status)) != 0) {
            script_fail(s, status_name(connection(s)->status));
        }
        return;
    }
    uint64_t wanted = script_take_number(s);
    uint64_t got = 0;
    if (strcmp(name, "cwnd") == 0) {
        got = connection(s)->cwnd / tcp_payload_mss(connection(s));
    } else if (strcmp(name, "ssthresh") == 0) {
        got = connection(s)->ssthresh / tcp_payload_mss(connection(s));
    } else if (strcmp(name, "mss") == 0) {
        got = tcp_payload_mss(connection(s));
    } else if (strcmp(name, "rto") == 0) {
        got = connection(s)->rto_us / 1000;
    } else if (strcmp(name, "waiting") == 0) {
        got = tcp->time_wait_count;
    } else if (strcmp(name, "requests") == 0) {
        got = tcp->request_count;
    } else if (strcmp(name, "sockets") == 0) {
        got = tcp->socket_count;
    } else if (strcmp(name, "challenges") == 0) {
        got = tcp->statistics.challenges_sent;
    } else if (strcmp(name, "cookies") == 0) {
        got = tcp->statistics.cookies_accepted;
    } else {
        script_fail(s, "not something to expect");
    }
    script_check_number(s, name, got, wanted);
}

static void do_flood(struct script *s)
{
    uint32_t count = script_take_number(s);

    for (uint32_t i = 0; i < count; i++) {
        struct seg syn = {.flags = SYN,
                          .seq = i * 7777,
                          .window = 65535,
                          .mss = 1460,
                          .source_port = (uint16_t)(10000 + i),
                          .destination_port = 80};
        tcp_inject(s->h, &syn);
        s->h->sent_count = s->h->looked_at; /* the answers are nobody's business */
    }
}

static void do_resets(struct script *s)
{
    uint32_t count = script_take_number(s);

    for (uint32_t i = 0; i < count; i++) {
        struct seg reset = {.flags = RST,
                            .seq = connection(s)->receive_next + 1 + i,
                            .source_port = s->peer_port,
                            .destination_port = s->stack_port};
        tcp_inject(s->h, &reset);
        s->h->sent_count = s->h->looked_at; /* `expect challenges` counts the answers */
    }
}

static void do_too_big(struct script *s)
{
    const struct tcp_socket *sock = connection(s);
    struct ip_error error = {.report = IP_REPORT_TOO_BIG,
                             .source = sock->entry.local,
                             .destination = sock->entry.remote,
                             .source_port = sock->entry.local_port,
                             .destination_port = sock->entry.remote_port};

    error.mtu_bytes = (uint16_t)script_take_number(s);
    error.sequence = s->stack_first + script_take_number(s);
    tcp_error(s->h->stack, &error);
    tcp_poll_now(s->h);
}

/* ---- Lines
 * --------------------------------------------------------------------------------------- */

static void do_call(struct script *s)
{
    char name[32];

    script_take_word(s, name);
    if (strcmp(name, "listen") == 0) {
        do_listen(s);
    } else if (strcmp(name, "connect") == 0) {
        do_connect(s);
    } else if (strcmp(name, "accept") == 0) {
        script_check_number(s, "accept", net_socket_accept(s->listener, &s->socket), ERR_OK);
    } else if (strcmp(name, "write") == 0) {
        do_write(s);
    } else if (strcmp(name, "read") == 0) {
        do_read(s);
    } else if (strcmp(name, "end") == 0) {
        do_end(s);
    } else if (strcmp(name, "fails") == 0) {
        do_fails(s);
    } else if (strcmp(name, "set") == 0) {
        do_set(s);
    } else if (strcmp(name, "expect") == 0) {
        do_expect(s);
    } else if (strcmp(name, "isn") == 0) {
        s->peer_first = script_take_number(s);
    } else if (strcmp(name, "flood") == 0) {
        do_flood(s);
    } else if (strcmp(name, "resets") == 0) {
        do_resets(s);
    } else if (strcmp(name, "too-big") == 0) {
        do_too_big(s);
    } else if (strcmp(name, "shutdown") == 0) {
        script_check_number(s, "shutdown", net_socket_shutdown(s->socket, NET_SHUTDOWN_WRITE_BIT),
                            ERR_OK);
        tcp_poll_now(s->h);
    } else if (strcmp(name, "close") == 0) {
        net_socket_close(s->socket);
        s->socket = NULL;
        tcp_poll_now(s->h);
    } else {
        script_fail(s, "not a call");
    }
}

static void play_line(struct script *s, char *text)
{
    char *comment = strchr(text, '#');

    *(comment != NULL ? comment : text + strcspn(text, "\r\n")) = '\0';
    s->at = text;
    script_skip_space(s);
    if (*s->at == '\0') {
        return;
    }
    s->earliest_ns = 0;
    s->latest_ns = s->h->now_ns;
    if (script_take_text(s, "+")) {
        uint64_t from_ns = script_take_ms(s);
        bool is_range = script_take_text(s, "~");
        uint64_t to_ns = is_range ? script_take_ms(s) : from_ns;
        s->earliest_ns = s->h->now_ns + from_ns;
        s->latest_ns = s->h->now_ns + to_ns + SCRIPT_TICK_NS;
        script_skip_space(s);
        if (*s->at != '>') {
            tcp_advance(s->h, from_ns);
        }
    }
    if (script_take_text(s, ">")) {
        script_expect_segment(s);
    } else {
        if (s->h->looked_at != s->h->sent_count) {
            script_fail(s, "before this line, the stack sent what no line expects");
        }
        if (script_take_text(s, "<")) {
            script_send_segment(s);
        } else {
            do_call(s);
        }
    }
    script_skip_space(s);
    script_check(s, *s->at == '\0', "something is left of the line");
}

static void play(void **state)
{
    struct script s = {.path = *state, .peer_first = 5000};
    char text[512];
    void *harness;

    FILE *file = fopen(s.path, "r");
    assert_non_null(file);
    assert_int_equal(tcp_setup(&harness), 0);
    s.h = harness;
    while (fgets(text, sizeof(text), file) != NULL) {
        s.line++;
        play_line(&s, text);
    }
    fclose(file);
    if (s.h->looked_at != s.h->sent_count) {
        script_fail(&s, "at its end, the stack sent what no line expects");
    }
    tcp_teardown(&harness);
}

static int by_name(const void *left, const void *right)
{
    return strcmp(left, right);
}

static size_t find_scripts(char paths[SCRIPTS_MAX][256])
{
    const struct dirent *entry;
    size_t count = 0;
    DIR *folder = opendir(FOLDER);

    while (folder != NULL && count < SCRIPTS_MAX && (entry = readdir(folder)) != NULL) {
        if (strstr(entry->d_name, ".script") != NULL) {
            snprintf(paths[count++], 256, "%s/%.200s", FOLDER, entry->d_name);
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
    qsort(paths, count, 256, by_name);
    return count;
}

int main(int argc, char **argv)
{
    static char paths[SCRIPTS_MAX][256];
    static struct CMUnitTest tests[SCRIPTS_MAX];
    size_t count = 0;

    for (int i = 1; i < argc && count < SCRIPTS_MAX; i++) {
        snprintf(paths[count++], 256, "%.255s", argv[i]);
    }
    count = count != 0 ? count : find_scripts(paths);
    for (size_t i = 0; i < count; i++) {
        tests[i] =
            (struct CMUnitTest){.name = paths[i], .test_func = play, .initial_state = paths[i]};
    }
    return count == 0 || _cmocka_run_group_tests("scripts", tests, count, NULL, NULL) != 0;
}
