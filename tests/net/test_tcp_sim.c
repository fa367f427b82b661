/*
 * TCP against itself over a bad link. Each scenario runs a set of seeds; TAP output.
 *
 *   test_tcp_sim                        all scenarios, a bounded number of seeds
 *   test_tcp_sim --seeds N              N seeds a scenario
 *   test_tcp_sim --only NAME --seed N   one run, with what it did
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/net/sim.h"
#include "tests/net/sim_check.h"
#include "net/tcp.h"

enum { CLIENT = 0, SERVER = 1 };

struct scenario {
    const char *name;
    uint32_t bytes[2]; /* sent by client, by server */
    uint16_t mtu;
    uint32_t features[2];
    struct sim_link_config link;
    uint32_t receive_buffer;  /* 0: auto */
    uint32_t chunk;           /* largest write and read, 0: as much as goes */
    uint64_t reader_pause_ns; /* the reader sleeps between reads */
    bool no_delay;
    bool client_first_closes;
    uint32_t connections;   /* one after the other */
    uint32_t seeds_divisor; /* slow ones run fewer */
    size_t memory_limit;
    uint64_t allocations_fail_ppm;
    bool ipv6;
    uint32_t part_bytes;
    size_t receive_pool;
    /* So many losses in a row happen that a side may give up (RFC 9293 §3.8.3). */
    bool may_give_up;
};

struct endpoint {
    struct net_socket *socket;
    uint64_t sent, to_send;
    uint64_t received, to_receive;
    uint64_t read_after_ns;
    bool shut, ended, woken;
    uint8_t salt;
};

static uint8_t pattern(uint8_t salt, uint64_t offset)
{
    return (uint8_t)(offset * 167 + (offset >> 8) * 31 + (offset >> 16) + salt);
}

static void write_some(struct sim *sim, struct endpoint *end, const struct scenario *sc)
{
    while (end->sent < end->to_send) {
        struct net_span span;
        size_t want = (size_t)(end->to_send - end->sent);
        enum err err;

        if (sc->chunk != 0 && want > sc->chunk) {
            want = 1 + (size_t)sim_below(sim, sc->chunk);
        }
        err = net_socket_send_reserve(end->socket, want, &span);
        if (err == ERR_AGAIN) {
            return;
        }
        if (err != ERR_OK) {
            sim_fail(sim, "send failed");
            return;
        }
        if (span.length_bytes == 0 || span.length_bytes > want) {
            sim_fail(sim, "a span of the wrong size");
            return;
        }
        for (size_t i = 0; i < span.length_bytes; i++) {
            span.data[i] = pattern(end->salt, end->sent + i);
        }
        if (net_socket_send_commit(end->socket, span.length_bytes, NULL) != ERR_OK) {
            sim_fail(sim, "commit failed");
            return;
        }
        end->sent += span.length_bytes;
        if (sc->chunk != 0 && sim_chance(sim, 300000)) {
            return;
        }
    }
    if (!end->shut) {
        end->shut = true;
        if (net_socket_shutdown(end->socket, NET_SHUTDOWN_WRITE_BIT) != ERR_OK) {
            sim_fail(sim, "shutdown failed");
        }
    }
}

static void read_some(struct sim *sim, struct endpoint *end, uint8_t salt,
                      const struct scenario *sc)
{
    if (sim->now_ns < end->read_after_ns) {
        return;
    }
    while (!end->ended) {
        struct net_const_span span;
        enum err err = net_socket_receive_peek(end->socket, 0, &span);
        size_t take;

        if (err == ERR_AGAIN) {
            return;
        }
        if (err != ERR_OK) {
            sim_fail(sim, "receive failed");
            return;
        }
        if (span.length_bytes == 0) {
            end->ended = true;
            return;
        }
        take = span.length_bytes;
        if (sc->chunk != 0 && take > sc->chunk) {
            take = 1 + (size_t)sim_below(sim, sc->chunk);
        }
        for (size_t i = 0; i < take; i++) {
            if (span.data[i] != pattern(salt, end->received + i)) {
                sim_fail(sim, "the stream is not what was sent");
                return;
            }
        }
        end->received += take;
        net_socket_receive_consume(end->socket, take);
        if (end->received > end->to_receive) {
            sim_fail(sim, "more arrived than was sent");
            return;
        }
        if (sc->reader_pause_ns != 0) {
            end->read_after_ns = sim->now_ns + sc->reader_pause_ns;
            return;
        }
    }
}

static bool done(const struct endpoint *end)
{
    return end->shut && end->ended && end->received == end->to_receive;
}

static void set_buffer(struct net_socket *socket, const struct scenario *sc)
{
    if (sc->receive_buffer != 0) {
        (void)!net_socket_set_option(socket, NET_OPTION_RECEIVE_BUFFER, sc->receive_buffer);
    }
    if (sc->no_delay) {
        (void)!net_socket_set_option(socket, NET_OPTION_NO_DELAY, 1);
    }
}

static bool gave_up(struct sim *sim, struct net_socket *socket)
{
    int64_t error = ERR_OK;

    if (net_socket_get_option(socket, NET_OPTION_ERROR, &error) != ERR_OK ||
        error != ERR_TIMEDOUT) {
        sim_fail(sim, "an error other than that of giving up");
    }
    return true;
}

static void transfer(struct sim *sim, const struct scenario *sc, struct net_socket *listener,
                     uint64_t *finished_ns)
{
    struct endpoint ends[2] = {
        {.to_send = sc->bytes[0], .to_receive = sc->bytes[1], .salt = 11},
        {.to_send = sc->bytes[1], .to_receive = sc->bytes[0], .salt = 77},
    };
    struct net_endpoint remote = {
        .address = sc->ipv6 ? sim_address_ipv6(sim, SERVER) : sim_address(SERVER), .port = 80};
    uint64_t limit_ns = sim->now_ns + 36000 * SIM_S;
    unsigned attempts = 0;
    bool over = false;

    while (!sim->broken && !over && !(done(&ends[0]) && done(&ends[1]))) {
        uint64_t next_ns = sim->now_ns + 10 * SIM_S;
        if (ends[CLIENT].socket == NULL) {
            enum err err = net_socket_open(sim->host[CLIENT].stack,
                                           sc->ipv6 ? NET_FAMILY_IPV6 : NET_FAMILY_IPV4,
                                           NET_SOCKET_STREAM, &ends[CLIENT].socket);
            if (err == ERR_OK) {
                set_buffer(ends[CLIENT].socket, sc);
                err = net_socket_connect(ends[CLIENT].socket, &remote);
                if (err == ERR_NOBUFS && sc->allocations_fail_ppm != 0) {
                    net_socket_close(ends[CLIENT].socket);
                    ends[CLIENT].socket = NULL;
                    next_ns = sim->now_ns + 10 * SIM_MS;
                } else if (err != ERR_INPROGRESS) {
                    sim_fail(sim, "connect failed");
                    break;
                }
            } else if (sc->allocations_fail_ppm == 0) {
                sim_fail(sim, "open failed");
                break;
            } else {
                next_ns = sim->now_ns + 10 * SIM_MS;
            }
        }
        if (ends[SERVER].socket == NULL &&
            net_socket_accept(listener, &ends[SERVER].socket) == ERR_OK) {
            set_buffer(ends[SERVER].socket, sc);
        }
        for (unsigned i = 0; i < 2; i++) {
            uint32_t events = ends[i].socket == NULL ? 0 : net_socket_events(ends[i].socket);
            if (ends[i].socket == NULL) {
                continue;
            }
            if ((events & NET_EVENT_ERROR_BIT) && i == CLIENT && ends[SERVER].socket == NULL &&
                attempts++ < 20) {
                net_socket_close(ends[i].socket); /* the handshake gave up: try again */
                ends[i].socket = NULL;
                continue;
            }
            if ((events & NET_EVENT_ERROR_BIT) && sc->may_give_up && gave_up(sim, ends[i].socket)) {
                over = true;
                break;
            }
            if (events & NET_EVENT_READABLE_BIT) {
                read_some(sim, &ends[i], ends[!i].salt, sc);
            }
            if (events & NET_EVENT_WRITABLE_BIT) {
                write_some(sim, &ends[i], sc);
            }
            if (ends[i].read_after_ns > sim->now_ns && ends[i].read_after_ns < next_ns) {
                next_ns = ends[i].read_after_ns;
            }
        }
        if (sim->now_ns > limit_ns) {
            sim_fail(sim, "it never ends");
        }
        sim_step(sim, next_ns);
        sim_check_tcp(sim);
    }
    *finished_ns = sim->now_ns;
    for (unsigned i = 0; i < 2; i++) {
        unsigned which = sc->client_first_closes ? i : !i;
        if (ends[which].socket != NULL) {
            net_socket_close(ends[which].socket);
        }
    }
}

static bool run(const struct scenario *sc, uint64_t seed, bool verbose)
{
    struct sim sim;
    struct sim_config config = {.seed = seed,
                                .mtu_bytes = sc->mtu != 0 ? sc->mtu : 1500,
                                .features = {sc->features[0], sc->features[1]},
                                .memory_limit_bytes =
                                    sc->memory_limit != 0 ? sc->memory_limit : 64u << 20,
                                .part_bytes = sc->part_bytes,
                                .receive_pool_bytes = sc->receive_pool,
                                .link = {sc->link, sc->link}};
    struct net_socket *listener = NULL;
    struct net_endpoint local = {.port = 80};
    uint64_t started_ns;
    uint64_t finished_ns = 0;

    sim_create(&sim, &config);
    if (net_socket_open(sim.host[SERVER].stack, NET_FAMILY_IPV6, NET_SOCKET_STREAM, &listener) !=
            ERR_OK ||
        net_socket_bind(listener, &local) != ERR_OK) {
        sim_fail(&sim, "no listener");
    }
    set_buffer(listener, sc);
    if (net_socket_listen(listener, 16) != ERR_OK) {
        sim_fail(&sim, "listen failed");
    }
    for (unsigned i = 0; i < 2; i++) {
        sim.host[i].allocations_fail_ppm = sc->allocations_fail_ppm;
    }
    while (sc->ipv6 && sim.now_ns < 6 * SIM_S) {
        sim_step(&sim, 6 * SIM_S); /* duplicate address detection */
    }
    started_ns = sim.now_ns;
    for (uint32_t i = 0; i < (sc->connections != 0 ? sc->connections : 1) && !sim.broken; i++) {
        transfer(&sim, sc, listener, &finished_ns);
    }
    /* Everything that lingers goes away by itself: FIN, TIME_WAIT. */
    for (uint64_t end_ns = sim.now_ns + 3000 * SIM_S; sim.now_ns < end_ns && !sim.broken;) {
        sim_step(&sim, end_ns);
        sim_check_tcp(&sim);
    }
    for (unsigned i = 0; i < 2 && !sim.broken; i++) {
        const struct tcp_state *tcp = sim.host[i].stack->tcp;
        if (tcp->socket_count != (i == SERVER) || tcp->time_wait_count != 0 ||
            tcp->table.count != 0 || tcp->orphan_count != 0 || tcp->request_count != 0) {
            sim_fail(&sim, "something of the connection stayed behind");
        }
    }
    if (verbose) {
        for (unsigned i = 0; i < 2; i++) {
            const struct tcp_statistics *s = &sim.host[i].stack->tcp->statistics;
            printf("# host %u: sent %lu segments, %lu again, %lu timeouts, %lu probes, %lu undone, "
                   "%lu dup in, %lu frames lost, memory %zu\n",
                   i, s->segments_sent, s->retransmissions, s->timeouts, s->loss_probes, s->undone,
                   s->duplicates_received, sim.host[i].frames_dropped,
                   sim.host[i].stack->memory_used_bytes);
        }
        printf("# %.3f s of virtual time, %lu events\n", (double)(finished_ns - started_ns) / 1e9,
               sim.events);
    }
    net_socket_close(listener);
    sim_destroy(&sim);
    if (sim.broken) {
        printf("# %s, seed %lu: %s at %.6f s\n", sc->name, seed, sim.reason,
               (double)(sim.now_ns - started_ns) / 1e9);
    }
    return !sim.broken;
}

#define ALL_TX (NETDEV_TX_CHECKSUM_BIT | NETDEV_TX_TSO4_BIT | NETDEV_TX_TSO6_BIT)
#define ALL_RX (NETDEV_RX_CHECKSUM_BIT | NETDEV_RX_LARGE_BIT)
#define LAN    .delay_ns = 100000
#define WAN    .delay_ns = 20 * SIM_MS

static const struct scenario scenarios[] = {
    {"perfect link", {100000, 200000}, .link = {LAN}},
    {"perfect link, nothing to say", {0, 0}, .link = {LAN}, .client_first_closes = true},
    {"one byte each way", {1, 1}, .link = {LAN}},
    {"offloads", {1000000, 3000000}, .features = {ALL_TX | ALL_RX, ALL_TX | ALL_RX}, .link = {LAN}},
    {"sender offloads, receiver does not",
     {300000, 3000000},
     .features = {ALL_TX, ALL_TX},
     .link = {WAN}},
    {"1% loss", {300000, 300000}, .link = {WAN, .loss_ppm = 10000}},
    {"5% loss", {100000, 100000}, .link = {WAN, .loss_ppm = 50000}},
    {"20% loss", {30000, 30000}, .link = {WAN, .loss_ppm = 200000}},
    {"40% loss",
     {5000, 5000},
     .link = {WAN, .loss_ppm = 400000},
     .seeds_divisor = 2,
     .may_give_up = true},
    {"bursts", {300000, 300000}, .link = {WAN, .burst_ppm = 5000, .burst_frames = 12}},
    {"reordering",
     {500000, 500000},
     .link = {WAN, .jitter_ns = 3 * SIM_MS, .reorder_ppm = 100000, .reorder_ns = 8 * SIM_MS}},
    {"duplication", {300000, 300000}, .link = {WAN, .duplicate_ppm = 200000}},
    {"corruption", {300000, 300000}, .link = {WAN, .corrupt_ppm = 20000}},
    {"everything at once",
     {100000, 100000},
     .features = {ALL_TX, ALL_TX},
     .link = {WAN, .jitter_ns = 10 * SIM_MS, .loss_ppm = 20000, .burst_ppm = 2000,
              .burst_frames = 8, .reorder_ppm = 50000, .reorder_ns = 15 * SIM_MS,
              .duplicate_ppm = 30000, .corrupt_ppm = 10000, .thin_ppm = 100000}},
    {"everything, large frames",
     {400000, 400000},
     .features = {ALL_TX | ALL_RX, ALL_TX | ALL_RX},
     .link = {WAN, .loss_ppm = 30000, .reorder_ppm = 50000, .reorder_ns = 15 * SIM_MS,
              .duplicate_ppm = 30000}},
    {"thin acknowledgements", {500000, 500000}, .link = {WAN, .thin_ppm = 500000}},
    {"bottleneck",
     {1000000, 1000000},
     .features = {ALL_TX, ALL_TX},
     .link = {WAN, .bytes_per_second = 1250000, .queue_bytes = 60000}},
    {"small MTU", {100000, 100000}, .mtu = 576, .link = {WAN, .loss_ppm = 10000}},
    {"large MTU", {500000, 500000}, .mtu = 9000, .link = {WAN, .loss_ppm = 10000}},
    {"the path narrows, and says so",
     {200000, 200000},
     .features = {ALL_TX, 0},
     .link = {WAN, .loss_ppm = 10000, .narrow_mtu_bytes = 900, .narrow_after_frames = 40}},
    {"the path narrows, silently",
     {200000, 200000},
     .features = {ALL_TX, 0},
     .link = {WAN, .loss_ppm = 5000, .narrow_mtu_bytes = 1100, .narrow_after_frames = 40,
              .narrow_silently = true}},
    {"the path narrows to 576 bytes, silently",
     {100000, 100000},
     .link = {WAN, .narrow_mtu_bytes = 576, .narrow_silently = true}},
    {"IPv6, the path narrows, silently",
     {100000, 100000},
     .link = {WAN, .loss_ppm = 5000, .narrow_mtu_bytes = 1280, .narrow_after_frames = 40,
              .narrow_silently = true},
     .ipv6 = true},
    {"tiny windows", {50000, 50000}, .link = {LAN, .loss_ppm = 5000}, .receive_buffer = 2048},
    {"small writes", {20000, 20000}, .link = {LAN, .loss_ppm = 5000}, .chunk = 100},
    {"small writes, no delay",
     {20000, 20000},
     .link = {LAN, .loss_ppm = 5000},
     .chunk = 100,
     .no_delay = true},
    {"slow reader",
     {300000, 300000},
     .link = {LAN, .loss_ppm = 10000},
     .reader_pause_ns = 30 * SIM_MS,
     .chunk = 5000},
    {"reader that sleeps for minutes",
     {200000, 0},
     .link = {LAN, .loss_ppm = 50000},
     .reader_pause_ns = 60 * SIM_S},
    {"many connections", {2000, 2000}, .link = {LAN, .loss_ppm = 20000}, .connections = 20},
    {"no SACK", {300000, 300000}, .link = {WAN, .loss_ppm = 20000, .strip = SIM_STRIP_SACK}},
    {"no timestamps",
     {300000, 300000},
     .link = {WAN, .loss_ppm = 20000, .reorder_ppm = 20000, .reorder_ns = 5 * SIM_MS,
              .strip = SIM_STRIP_TIMESTAMPS}},
    {"no scaling", {300000, 300000}, .link = {WAN, .strip = SIM_STRIP_SCALING}},
    {"no options at all",
     {200000, 200000},
     .features = {ALL_TX, ALL_TX},
     .link = {WAN, .loss_ppm = 20000, .burst_ppm = 2000, .burst_frames = 6, .duplicate_ppm = 20000,
              .strip = 7}},
    {"IPv6", {200000, 200000}, .link = {WAN, .loss_ppm = 10000}, .ipv6 = true},
    {"IPv6, offloads",
     {500000, 500000},
     .features = {ALL_TX, ALL_TX | ALL_RX},
     .link = {WAN, .loss_ppm = 10000, .corrupt_ppm = 3000},
     .ipv6 = true},
    {"one way is dead for a while",
     {100000, 100000},
     .link = {LAN, .burst_ppm = 3000, .burst_frames = 16}},
    {"few receive buffers",
     {400000, 400000},
     .features = {ALL_TX | ALL_RX, ALL_TX},
     .link = {WAN, .loss_ppm = 5000},
     .reader_pause_ns = 5 * SIM_MS,
     .part_bytes = 4096,
     .receive_pool = 160u << 10},
    {"little memory",
     {300000, 300000},
     .link = {WAN, .loss_ppm = 10000},
     .memory_limit = 384u << 10},
    {"allocations fail",
     {100000, 100000},
     .link = {LAN, .loss_ppm = 5000},
     .allocations_fail_ppm = 20000},
};

int main(int argc, char **argv)
{
    const char *only = NULL;
    uint64_t seeds = 20;
    uint64_t first = 1;
    bool verbose = false;
    int failed = 0;
    int number = 0;

    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seeds") == 0) {
            seeds = strtoull(argv[i + 1], NULL, 10);
        } else if (strcmp(argv[i], "--seed") == 0) {
            first = strtoull(argv[i + 1], NULL, 10);
            seeds = 1;
            verbose = true;
        } else if (strcmp(argv[i], "--only") == 0) {
            only = argv[i + 1];
        }
    }
    printf("TAP version 13\n");
    for (size_t s = 0; s < sizeof(scenarios) / sizeof(scenarios[0]); s++) {
        const struct scenario *sc = &scenarios[s];
        uint64_t count = sc->seeds_divisor != 0 && seeds > 1 ? seeds / sc->seeds_divisor : seeds;
        bool ok = true;
        if (only != NULL && strcmp(only, sc->name) != 0) {
            continue;
        }
        for (uint64_t seed = first; seed < first + count && ok; seed++) {
            ok = run(sc, seed, verbose);
        }
        printf("%sok %d - tcp simulation: %s\n", ok ? "" : "not ", ++number, sc->name);
        fflush(stdout);
        failed += !ok;
    }
    printf("1..%d\n", number);
    return failed != 0;
}
