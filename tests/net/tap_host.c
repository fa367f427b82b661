/*
 * The real stack in a process, on a TAP device: the peer of tests/net/test_tap.py.
 *
 * Services over IPv4 and IPv6: TCP and UDP port 7 echo, TCP 9 counts and sums what it is sent and
 * answers with a line, TCP 19 reads a line with a number and sends that many pattern bytes.
 * Commands on standard input, one a line, each answered by one line on standard output:
 *   connect ADDRESS PORT BYTES   sends pattern bytes, half-closes, reads to the end
 *   resolve NAME                 through the stub resolver
 *   mtu ADDRESS                  of the path there, as far as is known
 *   state                        how many sockets of what kind, and what TCP has counted
 *   address                      which IPv4 and IPv6 addresses the stack has
 *   quit                         closes everything and checks that nothing leaked
 */
#define _GNU_SOURCE 1 /* ppoll */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/dns.h"
#include "net/ip_state.h"
#include "net/ip_text.h"
#include "net/tcp.h"
#include "tests/net/tap_device.h"
#include "tests/net/tap_talk.h"

static struct net_stack *stack;
static size_t allocation_count;
static struct dns_query *query;

static uint64_t hook_now(void *context)
{
    (void)context;
    return tap_now_ns();
}

static void hook_random(void *context, void *data, size_t size)
{
    (void)context;
    if (getentropy(data, size) != 0) {
        abort();
    }
}

static void *hook_allocate(void *context, size_t size)
{
    (void)context;
    allocation_count++;
    return aligned_alloc(16, (size + 15) & ~(size_t)15);
}

static void hook_free(void *context, void *block)
{
    (void)context;
    if (block != NULL) {
        allocation_count--;
    }
    free(block);
}

static void hook_wake(void *context, struct net_socket *socket)
{
    struct conversation *talk = net_socket_user(socket);
    (void)context;
    if (talk != NULL) {
        talk->ready = true;
    }
}

static void command_connect(const char *host, unsigned port, uint64_t bytes)
{
    struct net_endpoint remote = {.port = (uint16_t)port};
    struct net_socket *socket;
    enum err error;

    if (!ip_address_parse(host, strlen(host), &remote.address)) {
        printf("connect bad-address\n");
        return;
    }
    bool ipv4 = ip_address_is_ipv4(&remote.address);
    error = net_socket_open(stack, ipv4 ? NET_FAMILY_IPV4 : NET_FAMILY_IPV6, NET_SOCKET_STREAM,
                            &socket);
    if (error == ERR_OK) {
        error = net_socket_connect(socket, &remote);
        if (error != ERR_INPROGRESS) {
            net_socket_close(socket);
        }
    }
    if (error != ERR_INPROGRESS) {
        printf("connect error=%d\n", (int)error);
        return;
    }
    talk_add(socket, ROLE_CLIENT)->to_send = bytes;
}

static void print_address(const struct ip_address *address)
{
    char text[IP_TEXT_BYTES];
    ip_address_format(address, text);
    printf(" %s", text);
}

static void command_address(void)
{
    const struct netif *netif = &stack->ip->netif;
    printf("address");
    if (netif->ipv4_valid) {
        print_address(&netif->ipv4_address);
    }
    for (unsigned i = 0; i < NETIF_IPV6_ADDRESSES_MAX; i++) {
        if (netif->ipv6[i].state == NETIF_ADDRESS_VALID) {
            print_address(&netif->ipv6[i].address);
        }
    }
    printf("\n");
}

static void command_mtu(const char *host)
{
    static const struct ip_address any;
    struct ip_address address;
    struct ip_route route;
    if (ip_address_parse(host, strlen(host), &address) &&
        ip_route(stack, &any, &address, &route) == ERR_OK) {
        printf("mtu %u\n", route.mtu_bytes);
    } else {
        printf("mtu unknown\n");
    }
}

static void command_state(void)
{
    const struct tcp_state *tcp = stack->tcp;
    const struct tcp_statistics *s = &tcp->statistics;
    printf("state sockets=%u orphans=%u requests=%u waiting=%u retransmissions=%" PRIu64
           " timeouts=%" PRIu64 " resets=%" PRIu64 "/%" PRIu64 " challenges=%" PRIu64
           " overflows=%" PRIu64 " malformed=%" PRIu64 " dropped=%" PRIu64 "\n",
           tcp->socket_count, tcp->orphan_count, tcp->request_count, tcp->time_wait_count,
           s->retransmissions, s->timeouts, s->resets_sent, s->resets_received, s->challenges_sent,
           s->accept_overflows, s->segments_malformed, s->packets_dropped);
}

static void command_resolve(const char *name)
{
    enum err error = dns_query_start(stack, name, strlen(name), 3, &query);
    if (error != ERR_OK) {
        query = NULL;
        printf("resolve error=%d\n", (int)error);
    }
}

static void check_query(void)
{
    static struct dns_result result;
    enum err error = query != NULL ? dns_query_result(query, &result) : ERR_INPROGRESS;
    if (error == ERR_INPROGRESS) {
        return;
    }
    printf("resolve error=%d", (int)error);
    for (size_t i = 0; error == ERR_OK && i < result.address_count; i++) {
        print_address(&result.addresses[i]);
    }
    printf("\n");
    dns_query_close(stack, query);
    query = NULL;
}

/* False: time to stop. */
static bool do_command(const char *line)
{
    char host[64];
    unsigned port;
    uint64_t bytes;
    if (sscanf(line, "connect %63s %u %" SCNu64, host, &port, &bytes) == 3) {
        command_connect(host, port, bytes);
    } else if (sscanf(line, "resolve %63s", host) == 1) {
        command_resolve(host);
    } else if (sscanf(line, "mtu %63s", host) == 1) {
        command_mtu(host);
    } else if (strncmp(line, "state", 5) == 0) {
        command_state();
    } else if (strncmp(line, "address", 7) == 0) {
        command_address();
    } else if (strncmp(line, "quit", 4) == 0) {
        return false;
    } else {
        printf("unknown command\n");
    }
    return true;
}

static bool read_commands(void)
{
    static char line[256];
    static size_t length;
    char data[256];
    ssize_t got = read(STDIN_FILENO, data, sizeof(data));
    if (got <= 0) {
        return false;
    }
    for (ssize_t i = 0; i < got; i++) {
        if (data[i] != '\n') {
            if (length < sizeof(line) - 1) {
                line[length++] = data[i];
            }
            continue;
        }
        line[length] = '\0';
        length = 0;
        if (!do_command(line)) {
            return false;
        }
    }
    return true;
}

static void sleep_until(struct tap_device *tap, uint64_t deadline_ns, bool *stop)
{
    struct pollfd waits[2] = {{.fd = tap_descriptor(tap), .events = POLLIN},
                              {.fd = STDIN_FILENO, .events = POLLIN}};
    uint64_t now_ns = tap_now_ns();
    uint64_t relay_ns = tap_next_ns(tap);
    if (relay_ns < deadline_ns) {
        deadline_ns = relay_ns;
    }
    uint64_t wait_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
    if (wait_ns > 1000000000u) {
        wait_ns = 1000000000u;
    }
    struct timespec timeout = {.tv_sec = 0, .tv_nsec = (long)wait_ns};
    if (wait_ns == 1000000000u) {
        timeout = (struct timespec){.tv_sec = 1};
    }
    ppoll(waits, 2, &timeout, NULL);
    if ((waits[1].revents & (POLLIN | POLLHUP)) != 0) {
        *stop = !read_commands();
    }
}

static void run(struct tap_device *tap)
{
    bool stop = false;
    bool announced = false;

    while (!stop) {
        uint64_t deadline_ns = UINT64_MAX;
        bool any = net_stack_poll(stack, &deadline_ns);
        for (struct conversation *talk = conversations; talk != NULL; talk = talk->next) {
            if (talk->ready && talk->socket != NULL) {
                talk->ready = false;
                any = true;
                talk_advance(talk);
            }
        }
        talk_sweep();
        check_query();
        if (!announced && net_stack_is_configured(stack)) {
            announced = true;
            printf("ready\n");
        }
        fflush(stdout);
        sleep_until(tap, any ? 0 : deadline_ns, &stop);
    }
    while (conversations != NULL) {
        talk_end(conversations);
        talk_sweep();
    }
    if (query != NULL) {
        dns_query_close(stack, query);
    }
}

static unsigned option(int count, char **values, const char *name, unsigned otherwise)
{
    for (int i = 2; i + 1 < count; i++) {
        if (strcmp(values[i], name) == 0) {
            return (unsigned)strtoul(values[i + 1], NULL, 10);
        }
    }
    return otherwise;
}

int main(int count, char **values)
{
    struct tap_options options = {
        .interface = count > 1 ? values[1] : "",
        .offloads = option(count, values, "offloads", 0) != 0,
        .loss = option(count, values, "loss", 0),
        .duplicate = option(count, values, "duplicate", 0),
        .reorder = option(count, values, "reorder", 0),
        .corrupt = option(count, values, "corrupt", 0),
        .delay_us = option(count, values, "delay", 0),
        .seed = option(count, values, "seed", 1),
    };
    struct net_hooks hooks = {.now_ns = hook_now,
                              .random = hook_random,
                              .allocate = hook_allocate,
                              .free = hook_free,
                              .wake = hook_wake};
    struct net_config config = {.dhcp = option(count, values, "dhcp", 0) != 0,
                                .address = {10, 99, 0, 2},
                                .prefix_length = 24,
                                .gateway = {10, 99, 0, 1},
                                .dns = {10, 99, 0, 1},
                                .hostname = "wafer",
                                .memory_limit_bytes = 256u << 20};
    struct tap_device *tap = tap_open(&options);
    if (tap == NULL) {
        fprintf(stderr, "tap_host: %s: %s\n", options.interface, strerror(errno));
        return 77;
    }
    if (net_stack_create(&hooks, tap_netdev(tap), &config, &stack) != ERR_OK) {
        return 1;
    }
    talk_listen(stack, 7, ROLE_ECHO_LISTENER);
    talk_listen(stack, 9, ROLE_SINK_LISTENER);
    talk_listen(stack, 19, ROLE_SOURCE_LISTENER);
    talk_listen(stack, 7, ROLE_DATAGRAM);
    run(tap);
    net_stack_destroy(stack);
    size_t held = tap_buffers_held(tap);
    tap_close(tap);
    if (allocation_count != 0 || held != 0) {
        printf("leaked %zu blocks, %zu buffers\n", allocation_count, held);
        return 1;
    }
    printf("clean\n");
    return 0;
}
