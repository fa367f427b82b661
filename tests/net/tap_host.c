/*
 * The real stack in a process, on a TAP device: the peer of tests/net/test_tap.py.
 *
 * Services over IPv4 and IPv6: TCP and UDP port 7 echo, TCP 9 counts and sums what it is sent and
 * answers with a line, TCP 19 reads a line with a number and sends that many pattern bytes.
 * Commands on standard input, one a line, each answered by one line on standard output:
 *   connect ADDRESS PORT BYTES   sends pattern bytes, half-closes, reads to the end
 *   resolve NAME                 through the stub resolver
 *   mtu ADDRESS                  of the path there, as far as is known
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
#include "net/socket.h"
#include "tests/net/tap_device.h"

enum role {
    ROLE_ECHO_LISTENER,
    ROLE_SINK_LISTENER,
    ROLE_SOURCE_LISTENER,
    ROLE_DATAGRAM,
    ROLE_ECHO,
    ROLE_SINK,
    ROLE_SOURCE,
    ROLE_CLIENT,
};

struct conversation {
    struct conversation *next;
    struct net_socket *socket;
    enum role role;
    bool ready;
    bool sending_done;
    uint64_t to_send;
    uint64_t sent;
    uint64_t received;
    uint32_t sum;
    char line[128];
    size_t line_length;
};

static struct net_stack *stack;
static struct conversation *conversations;
static size_t allocation_count;
static struct dns_query *query;

/* The byte at a position of the pattern, which Python repeats. */
static uint8_t pattern(uint64_t at)
{
    return (uint8_t)(at * 31 + (at >> 8) * 7 + (at >> 16));
}

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

static struct conversation *talk_add(struct net_socket *socket, enum role role)
{
    struct conversation *talk = calloc(1, sizeof(*talk));
    if (talk == NULL) {
        abort();
    }
    talk->socket = socket;
    talk->role = role;
    talk->ready = true;
    talk->next = conversations;
    conversations = talk;
    net_socket_set_user(socket, talk);
    return talk;
}

static void talk_end(struct conversation *talk)
{
    net_socket_close(talk->socket);
    talk->socket = NULL; /* the list is swept at a quiet moment */
}

static void talk_sweep(void)
{
    struct conversation **link = &conversations;
    while (*link != NULL) {
        struct conversation *talk = *link;
        if (talk->socket == NULL) {
            *link = talk->next;
            free(talk);
        } else {
            link = &talk->next;
        }
    }
}

static void listen_on(uint16_t port, enum role role)
{
    struct net_endpoint local = {.port = port};
    struct net_socket *socket;
    enum net_socket_type type = role == ROLE_DATAGRAM ? NET_SOCKET_DATAGRAM : NET_SOCKET_STREAM;
    if (net_socket_open(stack, NET_FAMILY_IPV6, type, &socket) != ERR_OK ||
        net_socket_bind(socket, &local) != ERR_OK ||
        (role != ROLE_DATAGRAM && net_socket_listen(socket, 64) != ERR_OK)) {
        fprintf(stderr, "tap_host: cannot listen on %u\n", port);
        exit(1);
    }
    talk_add(socket, role);
}

static void do_accept(struct conversation *listener, enum role role)
{
    struct net_socket *socket;
    while (net_socket_accept(listener->socket, &socket) == ERR_OK) {
        talk_add(socket, role);
    }
}

static void do_datagrams(struct conversation *talk)
{
    struct net_const_span received;
    struct net_endpoint source;
    struct net_span span;

    while (net_socket_receive_source(talk->socket, &source) == ERR_OK &&
           net_socket_receive_peek(talk->socket, 0, &received) == ERR_OK) {
        if (net_socket_send_reserve(talk->socket, received.length_bytes, &span) == ERR_OK) {
            if (received.length_bytes > 0) {
                memcpy(span.data, received.data, received.length_bytes);
            }
            (void)!net_socket_send_commit(talk->socket, received.length_bytes, &source);
        }
        net_socket_receive_consume(talk->socket, received.length_bytes);
    }
}

/* Sends up to `length` bytes; how many went, or -1 when the connection is broken. */
static int64_t send_some(struct conversation *talk, const uint8_t *data, size_t length)
{
    size_t done = 0;
    while (done < length) {
        struct net_span span;
        enum err error = net_socket_send_reserve(talk->socket, length - done, &span);
        if (error == ERR_AGAIN) {
            break;
        }
        if (error != ERR_OK) {
            return -1;
        }
        size_t take = span.length_bytes < length - done ? span.length_bytes : length - done;
        memcpy(span.data, data + done, take);
        if (net_socket_send_commit(talk->socket, take, NULL) != ERR_OK) {
            return -1;
        }
        done += take;
    }
    return (int64_t)done;
}

static void do_echo(struct conversation *talk)
{
    for (;;) {
        struct net_const_span span;
        enum err error = net_socket_receive_peek(talk->socket, 0, &span);
        if (error == ERR_AGAIN) {
            return;
        }
        if (error != ERR_OK || span.length_bytes == 0) {
            talk_end(talk);
            return;
        }
        int64_t sent = send_some(talk, span.data, span.length_bytes);
        if (sent < 0) {
            talk_end(talk);
            return;
        }
        if (sent == 0) {
            return;
        }
        net_socket_receive_consume(talk->socket, (size_t)sent);
    }
}

/* Takes everything there is; true at the end of the stream, negative errors end it too. */
static bool drain(struct conversation *talk, enum err *error)
{
    struct net_const_span span;
    while ((*error = net_socket_receive_peek(talk->socket, 0, &span)) == ERR_OK) {
        if (span.length_bytes == 0) {
            return true;
        }
        for (size_t i = 0; i < span.length_bytes; i++) {
            talk->sum = talk->sum * 16777619u ^ span.data[i];
        }
        talk->received += span.length_bytes;
        net_socket_receive_consume(talk->socket, span.length_bytes);
    }
    return *error != ERR_AGAIN;
}

static void do_sink(struct conversation *talk)
{
    char line[64];
    enum err error;
    if (!drain(talk, &error)) {
        return;
    }
    if (error == ERR_OK) {
        int length = snprintf(line, sizeof(line), "%" PRIu64 " %08x\n", talk->received, talk->sum);
        (void)send_some(talk, (const uint8_t *)line, (size_t)length);
    }
    talk_end(talk);
}

/* Sends the pattern until the room or the work ends; false when the connection is broken. */
static bool send_pattern(struct conversation *talk)
{
    while (talk->sent < talk->to_send) {
        uint8_t chunk[8192];
        uint64_t left = talk->to_send - talk->sent;
        size_t length = left < sizeof(chunk) ? (size_t)left : sizeof(chunk);
        for (size_t i = 0; i < length; i++) {
            chunk[i] = pattern(talk->sent + i);
        }
        int64_t sent = send_some(talk, chunk, length);
        if (sent < 0) {
            return false;
        }
        talk->sent += (uint64_t)sent;
        if ((size_t)sent < length) {
            break;
        }
    }
    return true;
}

static void do_source(struct conversation *talk)
{
    struct net_const_span span;
    while (!talk->sending_done && net_socket_receive_peek(talk->socket, 0, &span) == ERR_OK) {
        if (span.length_bytes == 0) {
            talk_end(talk);
            return;
        }
        char character = (char)span.data[0];
        net_socket_receive_consume(talk->socket, 1);
        if (character == '\n') {
            talk->to_send = strtoull(talk->line, NULL, 10);
            talk->sending_done = true;
        } else if (talk->line_length < sizeof(talk->line) - 1) {
            talk->line[talk->line_length++] = character;
        }
    }
    if (!send_pattern(talk) || (talk->sending_done && talk->sent == talk->to_send)) {
        talk_end(talk);
    }
}

static void do_client(struct conversation *talk)
{
    int64_t pending;
    enum err error;
    uint32_t events = net_socket_events(talk->socket);

    if ((events & (NET_EVENT_WRITABLE_BIT | NET_EVENT_READABLE_BIT | NET_EVENT_ERROR_BIT)) == 0) {
        return;
    }
    if (!talk->sending_done && (events & NET_EVENT_ERROR_BIT) == 0) {
        if (send_pattern(talk) && talk->sent == talk->to_send) {
            talk->sending_done = true;
            (void)!net_socket_shutdown(talk->socket, NET_SHUTDOWN_WRITE_BIT);
        }
    }
    if ((events & NET_EVENT_ERROR_BIT) != 0 &&
        net_socket_get_option(talk->socket, NET_OPTION_ERROR, &pending) == ERR_OK) {
        printf("connect error=%d\n", (int)pending);
        talk_end(talk);
        return;
    }
    if (drain(talk, &error)) {
        printf("connect error=%d sent=%" PRIu64 " received=%" PRIu64 " sum=%08x\n", (int)error,
               talk->sent, talk->received, talk->sum);
        talk_end(talk);
    }
}

static void do_talk(struct conversation *talk)
{
    switch (talk->role) {
    case ROLE_ECHO_LISTENER:
        do_accept(talk, ROLE_ECHO);
        break;
    case ROLE_SINK_LISTENER:
        do_accept(talk, ROLE_SINK);
        break;
    case ROLE_SOURCE_LISTENER:
        do_accept(talk, ROLE_SOURCE);
        break;
    case ROLE_DATAGRAM:
        do_datagrams(talk);
        break;
    case ROLE_ECHO:
        do_echo(talk);
        break;
    case ROLE_SINK:
        do_sink(talk);
        break;
    case ROLE_SOURCE:
        do_source(talk);
        break;
    case ROLE_CLIENT:
        do_client(talk);
        break;
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
                do_talk(talk);
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
    listen_on(7, ROLE_ECHO_LISTENER);
    listen_on(9, ROLE_SINK_LISTENER);
    listen_on(19, ROLE_SOURCE_LISTENER);
    listen_on(7, ROLE_DATAGRAM);
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
