/*
 * No memory, at every place in turn: two stacks go through what a program does with a network -
 * DHCP, the resolver, a datagram in fragments, TCP over a bad link, both families - while one of
 * them is refused its n-th allocation, or the n-th and some after it, for every n until
 * nothing is refused any more. Every call may answer with an error; the stack may not crash,
 * break an invariant or leak, and as soon as there is memory again the same thing must work. TAP.
 *
 *   test_net_allocations                     every n
 *   test_net_allocations HOST COUNT N        one run: COUNT allocations of HOST fail from the N-th
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/dhcp_message.h"
#include "net/dns.h"
#include "net/ip_state.h"
#include "tests/net/sim.h"
#include "tests/net/sim_check.h"

enum { CLIENT = 0, SERVER = 1 };

#define DATAGRAM_BYTES 4000u
#define STREAM_BYTES   60000u
#define TRIES          60u

struct world {
    struct sim sim;
    struct net_socket *dhcp; /* the server's, bound to its port */
    struct net_socket *dns;
    struct net_socket *dns_listener;
    struct net_socket *dns_stream;
    struct net_socket *echo;
    struct net_socket *listener;
    struct net_socket *accepted;
};

/* ---- The server: everything in a few lines, made anew until there is memory for it ------------
 */

static void listen_on(struct world *world, struct net_socket **socket, enum net_socket_type type,
                      uint16_t port)
{
    struct net_endpoint local = {.port = port};

    if (*socket != NULL ||
        net_socket_open(world->sim.host[SERVER].stack,
                        type == NET_SOCKET_STREAM ? NET_FAMILY_IPV6 : NET_FAMILY_IPV4, type,
                        socket) != ERR_OK) {
        return;
    }
    enum err err = net_socket_set_option(*socket, NET_OPTION_BROADCAST, 1);
    err = net_socket_bind(*socket, &local);
    if (err == ERR_OK && type == NET_SOCKET_STREAM) {
        err = net_socket_listen(*socket, 4);
    }
    if (err != ERR_OK) {
        net_socket_close(*socket);
        *socket = NULL;
    }
}

static void answer(struct net_socket *socket, const void *data, size_t length,
                   const struct net_endpoint *to)
{
    struct net_span span;

    if (net_socket_send_reserve(socket, length, &span) == ERR_OK) {
        memcpy(span.data, data, length);
        (void)!net_socket_send_commit(socket, length, to);
    }
}

/* The whole first datagram, or 0. */
static size_t take_datagram(struct net_socket *socket, uint8_t *out, struct net_endpoint *from)
{
    struct net_const_span span;
    size_t length = 0;

    if (socket == NULL || net_socket_receive_source(socket, from) != ERR_OK) {
        return 0;
    }
    while (net_socket_receive_peek(socket, length, &span) == ERR_OK && span.length_bytes > 0) {
        memcpy(out + length, span.data, span.length_bytes);
        length += span.length_bytes;
    }
    net_socket_receive_consume(socket, 0);
    return length;
}

static void serve_dhcp(struct world *world)
{
    static const uint8_t everyone[4] = {255, 255, 255, 255};
    static const uint8_t options[] = {54, 4,   10,  0,   0, 2, 51, 4,  0, 0, 14, 16, 1,
                                      4,  255, 255, 255, 0, 6, 4,  10, 0, 0, 2,  255};
    uint8_t message[DATAGRAM_BYTES * 2] = {0};
    struct net_endpoint from;
    struct net_endpoint to = {.address = ip_address_from_ipv4(everyone), .port = 68};

    if (take_datagram(world->dhcp, message, &from) < 243) {
        return;
    }
    message[0] = 2;                                                       /* reply */
    message[242] = message[242] == DHCP_DISCOVER ? DHCP_OFFER : DHCP_ACK; /* option 53 */
    memcpy(message + 16, (uint8_t[4]){10, 0, 0, 1}, 4);
    memcpy(message + 243, options, sizeof(options));
    answer(world->dhcp, message, 243 + sizeof(options), &to);
}

/* Makes an answer of a question; its length. Names with an L are too long for a datagram. */
static size_t resolve(uint8_t *message, size_t length, bool is_stream)
{
    static const uint8_t record[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 0, 2};
    bool is_truncated = message[13] == 'l' && !is_stream;

    message[2] = is_truncated ? 0x83 : 0x81; /* an answer */
    message[3] = 0x80;
    /* Of the type asked for, in the question's last four bytes, only A has a record. */
    message[7] = message[length - 3] == 1 && !is_truncated;
    if (message[7] != 0) {
        memcpy(message + length, record, sizeof(record));
        length += sizeof(record);
    }
    return length;
}

static void serve_dns(struct world *world)
{
    uint8_t message[DATAGRAM_BYTES * 2];
    struct net_endpoint from;
    size_t length = take_datagram(world->dns, message, &from);

    if (length > 17) {
        answer(world->dns, message, resolve(message, length, false), &from);
    }
}

/* RFC 1035 §4.2.2: one question, its length in front. */
static void serve_dns_stream(struct world *world)
{
    struct net_const_span in;
    uint8_t message[600];

    if (world->dns_stream == NULL &&
        net_socket_accept(world->dns_listener, &world->dns_stream) != ERR_OK) {
        world->dns_stream = NULL;
        return;
    }
    enum err err = net_socket_receive_peek(world->dns_stream, 0, &in);
    if (err == ERR_AGAIN) {
        return;
    }
    if (err == ERR_OK && in.length_bytes > 19 && in.length_bytes < 500) {
        memcpy(message, in.data, in.length_bytes);
        size_t length = resolve(message + 2, in.length_bytes - 2, true);
        message[0] = (uint8_t)(length >> 8);
        message[1] = (uint8_t)length;
        net_socket_receive_consume(world->dns_stream, in.length_bytes);
        answer(world->dns_stream, message, length + 2, NULL);
    }
    net_socket_close(world->dns_stream);
    world->dns_stream = NULL;
}

static void serve_stream(struct world *world)
{
    struct net_const_span in;
    struct net_span out;

    if (world->accepted == NULL && net_socket_accept(world->listener, &world->accepted) != ERR_OK) {
        world->accepted = NULL;
        return;
    }
    for (;;) {
        enum err err = net_socket_receive_peek(world->accepted, 0, &in);
        if (err == ERR_AGAIN) {
            return;
        }
        if (err != ERR_OK || in.length_bytes == 0) {
            break;
        }
        err = net_socket_send_reserve(world->accepted, in.length_bytes, &out);
        if (err == ERR_AGAIN) {
            return;
        }
        if (err != ERR_OK) {
            break;
        }
        memcpy(out.data, in.data, out.length_bytes);
        err = net_socket_send_commit(world->accepted, out.length_bytes, NULL);
        net_socket_receive_consume(world->accepted, out.length_bytes);
    }
    net_socket_close(world->accepted); /* FIN after everything, or RST */
    world->accepted = NULL;
}

static void serve(struct world *world)
{
    uint8_t data[DATAGRAM_BYTES * 2];
    struct net_endpoint from;
    size_t length;

    listen_on(world, &world->dhcp, NET_SOCKET_DATAGRAM, 67);
    listen_on(world, &world->dns, NET_SOCKET_DATAGRAM, 53);
    listen_on(world, &world->dns_listener, NET_SOCKET_STREAM, 53);
    listen_on(world, &world->echo, NET_SOCKET_DATAGRAM, 7);
    listen_on(world, &world->listener, NET_SOCKET_STREAM, 80);
    serve_dhcp(world);
    serve_dns(world);
    length = take_datagram(world->echo, data, &from);
    if (length > 0) {
        answer(world->echo, data, length, &from);
    }
    if (world->listener != NULL) {
        serve_stream(world);
    }
    if (world->dns_listener != NULL) {
        serve_dns_stream(world);
    }
}

static void step(struct world *world, uint64_t limit_ns)
{
    sim_step(&world->sim, limit_ns);
    sim_check_tcp(&world->sim);
    serve(world);
}

/* ---- The client: steps that answer whether they worked; each may be tried again -------------- */

static bool has_address(struct world *world)
{
    /* An attempt a minute, each of which may meet a refusal. */
    uint64_t end_ns = world->sim.now_ns + 100 * SIM_S;

    while (!net_stack_is_configured(world->sim.host[CLIENT].stack) && world->sim.now_ns < end_ns &&
           !world->sim.broken) {
        step(world, end_ns);
    }
    return net_stack_is_configured(world->sim.host[CLIENT].stack);
}

static bool resolves(struct world *world, const char *name)
{
    struct net_stack *stack = world->sim.host[CLIENT].stack;
    struct dns_result result;
    struct dns_query *query;
    enum err err = dns_query_start(stack, name, strlen(name), DNS_IPV4_BIT | DNS_IPV6_BIT, &query);

    if (err != ERR_OK) {
        return false;
    }
    while ((err = dns_query_result(query, &result)) == ERR_INPROGRESS && !world->sim.broken) {
        step(world, world->sim.now_ns + SIM_S);
    }
    dns_query_close(stack, query);
    struct ip_address expected = sim_address(SERVER);
    return err == ERR_OK && result.address_count == 1 &&
           ip_address_is_equal(&result.addresses[0], &expected);
}

static bool has_name(struct world *world)
{
    return resolves(world, "wafer.test");
}

static bool has_large_name(struct world *world)
{
    return resolves(world, "large.test");
}

static bool has_datagram_back(struct world *world)
{
    struct net_endpoint remote = {.address = sim_address(SERVER), .port = 7};
    uint64_t end_ns = world->sim.now_ns + SIM_S;
    uint8_t data[DATAGRAM_BYTES * 2];
    struct net_socket *socket;
    struct net_endpoint from;
    size_t length = 0;

    if (net_socket_open(world->sim.host[CLIENT].stack, NET_FAMILY_IPV4, NET_SOCKET_DATAGRAM,
                        &socket) != ERR_OK) {
        return false;
    }
    memset(data, 'u', DATAGRAM_BYTES);
    answer(socket, data, DATAGRAM_BYTES, &remote);
    while (length == 0 && world->sim.now_ns < end_ns && !world->sim.broken) {
        step(world, end_ns);
        length = take_datagram(socket, data, &from);
    }
    net_socket_close(socket);
    return length == DATAGRAM_BYTES;
}

/* Sends STREAM_BYTES, half-closes, and reads them back. */
static bool exchange(struct world *world, struct net_socket *socket)
{
    uint64_t end_ns = world->sim.now_ns + 200 * SIM_S;
    uint32_t sent = 0;
    uint32_t received = 0;

    while (world->sim.now_ns < end_ns && !world->sim.broken) {
        struct net_const_span in;
        struct net_span out;
        enum err err = ERR_OK;

        while (sent < STREAM_BYTES &&
               (err = net_socket_send_reserve(socket, STREAM_BYTES - sent, &out)) == ERR_OK) {
            for (size_t i = 0; i < out.length_bytes; i++) {
                out.data[i] = (uint8_t)((sent + i) * 31 >> 3);
            }
            sent += (uint32_t)out.length_bytes;
            err = net_socket_send_commit(socket, out.length_bytes, NULL);
            if (sent == STREAM_BYTES) {
                err = net_socket_shutdown(socket, NET_SHUTDOWN_WRITE_BIT);
            }
        }
        if (err != ERR_OK && err != ERR_AGAIN) {
            return false;
        }
        while ((err = net_socket_receive_peek(socket, 0, &in)) == ERR_OK && in.length_bytes > 0) {
            for (size_t i = 0; i < in.length_bytes; i++) {
                if (in.data[i] != (uint8_t)((received + i) * 31 >> 3)) {
                    sim_fail(&world->sim, "the stream is not what was sent");
                    return false;
                }
            }
            received += (uint32_t)in.length_bytes;
            net_socket_receive_consume(socket, in.length_bytes);
        }
        if (err == ERR_OK) {
            return received == STREAM_BYTES;
        }
        if (err != ERR_AGAIN) {
            return false;
        }
        step(world, end_ns);
    }
    return false;
}

static bool has_stream(struct world *world, bool ipv6)
{
    struct net_stack *stack = world->sim.host[CLIENT].stack;
    struct net_endpoint remote = {.address = sim_address(SERVER), .port = 80};
    struct net_socket *socket;
    bool worked = false;

    if (ipv6) {
        remote.address = sim_address_ipv6(&world->sim, SERVER);
    }
    if (net_socket_open(stack, ipv6 ? NET_FAMILY_IPV6 : NET_FAMILY_IPV4, NET_SOCKET_STREAM,
                        &socket) != ERR_OK) {
        return false;
    }
    if (net_socket_connect(socket, &remote) == ERR_INPROGRESS) {
        while ((net_socket_events(socket) & (NET_EVENT_WRITABLE_BIT | NET_EVENT_ERROR_BIT)) == 0 &&
               !world->sim.broken) {
            step(world, world->sim.now_ns + 10 * SIM_S);
        }
        worked = exchange(world, socket);
    }
    net_socket_close(socket);
    return worked;
}

static bool has_stream_ipv4(struct world *world)
{
    return has_stream(world, false);
}

static bool has_stream_ipv6(struct world *world)
{
    return has_stream(world, true);
}

/* ---- All of it ----------------------------------------------------------------------------------
 */

static const struct {
    const char *name;
    bool (*function)(struct world *world);
} parts[] = {{"DHCP", has_address},
             {"the resolver", has_name},
             {"the resolver over TCP", has_large_name},
             {"a datagram in fragments", has_datagram_back},
             {"a stream", has_stream_ipv4},
             {"a stream over IPv6", has_stream_ipv6}};

static void close_all(struct world *world)
{
    struct net_socket *all[] = {world->dhcp,         world->dns,  world->dns_stream,
                                world->dns_listener, world->echo, world->accepted,
                                world->listener};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (all[i] != NULL) {
            net_socket_close(all[i]);
        }
    }
}

/* Allocations that the host asked for in all; 0 when something went wrong. */
static uint64_t run(unsigned host, uint64_t count, uint64_t first)
{
    static struct world world;
    const struct sim_link_config link = {
        .delay_ns = SIM_MS, .reorder_ppm = 50000, .reorder_ns = 3 * SIM_MS};
    struct sim_config config = {.seed = 5,
                                .mtu_bytes = 1500,
                                .memory_limit_bytes = 16u << 20,
                                .link = {link, link},
                                .dhcp = {true, false}};
    const char *failed = NULL;

    config.fail_first[host] = first;
    config.fail_count[host] = count;
    config.link[CLIENT].loss_ppm = 20000;
    world = (struct world){0};
    sim_create(&world.sim, &config);
    serve(&world);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && failed == NULL; i++) {
        unsigned tries = 0;
        while (!world.sim.broken && tries < TRIES && !parts[i].function(&world)) {
            tries++;
        }
        failed = tries == TRIES ? parts[i].name : NULL;
    }
    close_all(&world);
    uint64_t asked = world.sim.host[host].allocations_asked;
    sim_destroy(&world.sim);
    if (world.sim.broken || failed != NULL) {
        printf("# host %u, %llu allocations from the %llu-th: %s\n", host,
               (unsigned long long)count, (unsigned long long)first,
               world.sim.broken ? world.sim.reason : failed);
        return 0;
    }
    return asked;
}

static bool run_every(unsigned host, uint64_t count, uint64_t *runs)
{
    for (uint64_t first = 1;; first++) {
        uint64_t asked = run(host, count, first);
        if (asked == 0) {
            return false;
        }
        if (asked < first) {
            *runs = first;
            return true;
        }
    }
}

int main(int argc, char **argv)
{
    static const uint64_t counts[] = {1, 40};
    int number = 0;
    int failures = 0;

    if (argc == 4) {
        return run((unsigned)atoi(argv[1]) & 1, strtoull(argv[2], NULL, 10),
                   strtoull(argv[3], NULL, 10)) == 0;
    }
    printf("TAP version 13\n");
    for (unsigned host = 0; host < 2; host++) {
        for (size_t i = 0; i < 2; i++) {
            uint64_t runs = 0;
            bool ok = run_every(host, counts[i], &runs);
            printf("%sok %d - %s: %llu allocation%s in a row fail%s, from each of %llu on\n",
                   ok ? "" : "not ", ++number, host == CLIENT ? "client" : "server",
                   (unsigned long long)counts[i], counts[i] == 1 ? "" : "s",
                   counts[i] == 1 ? "s" : "", (unsigned long long)runs);
            fflush(stdout);
            failures += !ok;
        }
    }
    printf("1..%d\n", number);
    return failures != 0;
}
