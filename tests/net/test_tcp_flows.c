/*
 * How TCP behaves rather than whether it works: it fills a link, shares it fairly, follows the
 * loss-rate model, and connection churn leaves no trace. TAP output.
 *
 *   test_tcp_flows          a few minutes of virtual time each
 *   test_tcp_flows --long   an hour of churn
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "net/tcp.h"
#include "tests/net/sim.h"
#include "tests/net/sim_check.h"

#define FLOWS_MAX   320u
#define CHURN_FLOWS 32u

struct flow {
    struct net_socket *client;
    struct net_socket *server;
    uint64_t received; /* by the client */
    uint64_t uploaded;
    uint64_t step;
};

struct world {
    struct sim sim;
    struct net_socket *listener;
    struct flow flows[FLOWS_MAX];
};

static int number;
static int failed;

static void report(bool ok, const char *title)
{
    printf("%sok %d - tcp flows: %s\n", ok ? "" : "not ", ++number, title);
    fflush(stdout);
    failed += !ok;
}

static void begin_family(struct world *world, const struct sim_config *config,
                         enum net_family family)
{
    struct net_endpoint local = {.port = 80};

    memset(world, 0, sizeof(*world));
    sim_create(&world->sim, config);
    if (net_socket_open(world->sim.host[1].stack, family, NET_SOCKET_STREAM, &world->listener) !=
            ERR_OK ||
        net_socket_bind(world->listener, &local) != ERR_OK ||
        net_socket_listen(world->listener, 64) != ERR_OK) {
        sim_fail(&world->sim, "no listener");
    }
}

static void begin(struct world *world, const struct sim_config *config)
{
    begin_family(world, config, NET_FAMILY_IPV4);
}

static bool end(struct world *world)
{
    for (unsigned i = 0; i < FLOWS_MAX; i++) {
        if (world->flows[i].client != NULL) {
            net_socket_close(world->flows[i].client);
        }
        if (world->flows[i].server != NULL) {
            net_socket_close(world->flows[i].server);
        }
    }
    net_socket_close(world->listener);
    sim_destroy(&world->sim);
    if (world->sim.broken) {
        printf("# %s\n", world->sim.reason);
    }
    return !world->sim.broken;
}

static void open_flow_to(struct world *world, struct flow *flow, struct ip_address address,
                         enum net_family family)
{
    struct net_endpoint remote = {.address = address, .port = 80};

    if (net_socket_open(world->sim.host[0].stack, family, NET_SOCKET_STREAM, &flow->client) !=
        ERR_OK) {
        sim_fail(&world->sim, "open failed");
    } else if (net_socket_connect(flow->client, &remote) != ERR_INPROGRESS) {
        sim_fail(&world->sim, "connect failed");
    }
}

static void open_flow(struct world *world, struct flow *flow)
{
    open_flow_to(world, flow, sim_address(1), NET_FAMILY_IPV4);
}

/* The flow whose client end is the peer of what was accepted. */
static void accept_all(struct world *world)
{
    struct net_socket *accepted;

    while (net_socket_accept(world->listener, &accepted) == ERR_OK) {
        struct net_endpoint remote;
        bool found = false;
        if (net_socket_remote(accepted, &remote) != ERR_OK) {
            sim_fail(&world->sim, "no peer");
        }
        for (unsigned i = 0; i < FLOWS_MAX && !found; i++) {
            struct net_endpoint local = {.port = 0};
            struct flow *flow = &world->flows[i];
            if (flow->client != NULL && flow->server == NULL) {
                net_socket_local(flow->client, &local);
                if (local.port == remote.port) {
                    flow->server = accepted;
                    found = true;
                }
            }
        }
        if (!found) {
            net_socket_close(accepted); /* its client has given up */
        }
    }
}

static void fill(struct net_socket *socket)
{
    struct net_span span;

    while (net_socket_send_reserve(socket, 16384, &span) == ERR_OK) {
        memset(span.data, 'x', span.length_bytes);
        if (net_socket_send_commit(socket, span.length_bytes, NULL) != ERR_OK) {
            return;
        }
    }
}

static uint64_t drain(struct net_socket *socket)
{
    struct net_const_span span;
    uint64_t total = 0;

    while (net_socket_receive_peek(socket, 0, &span) == ERR_OK && span.length_bytes > 0) {
        total += span.length_bytes;
        net_socket_receive_consume(socket, span.length_bytes);
    }
    return total;
}

/* Every flow sends as much as it can. */
static void run_bulk(struct world *world, unsigned count, uint64_t duration_ns)
{
    uint64_t end_ns = world->sim.now_ns + duration_ns;

    while (world->sim.now_ns < end_ns && !world->sim.broken) {
        accept_all(world);
        for (unsigned i = 0; i < count; i++) {
            struct flow *flow = &world->flows[i];
            if (flow->client != NULL) {
                fill(flow->client);
            }
            if (flow->server != NULL) {
                flow->received += drain(flow->server);
            }
        }
        sim_step(&world->sim, end_ns);
    }
    sim_check_tcp(&world->sim);
}

static void test_sharing(unsigned count, uint32_t features, const char *title)
{
    static struct world world;
    struct sim_config config = {
        .seed = 5,
        .mtu_bytes = 1500,
        .features = {features, 0},
        .memory_limit_bytes = 256u << 20,
        .link = {{.delay_ns = 10 * SIM_MS, .bytes_per_second = 2500000, .queue_bytes = 50000},
                 {.delay_ns = 10 * SIM_MS}}};
    double total = 0;
    double squares = 0;
    double jain;

    begin(&world, &config);
    for (unsigned i = 0; i < count; i++) {
        open_flow(&world, &world.flows[i]);
        run_bulk(&world, count, 200 * SIM_MS); /* they do not begin together */
    }
    run_bulk(&world, count, 20 * SIM_S);
    for (unsigned i = 0; i < count; i++) {
        world.flows[i].received = 0;
    }
    run_bulk(&world, count, 30 * SIM_S);
    for (unsigned i = 0; i < count; i++) {
        double rate = (double)world.flows[i].received / 30;
        total += rate;
        squares += rate * rate;
    }
    jain = total * total / (count * squares);
    printf("# %u flows: %.2f of 2.50 MB/s, fairness %.3f\n", count, total / 1e6, jain);
    report(end(&world) && total > 0.85 * 2500000 && jain > 0.85, title);
}

/* Servers write all they can; clients from `first_reader` on read. */
static void serve(struct world *world, unsigned count, unsigned first_reader, uint64_t duration_ns)
{
    uint64_t end_ns = world->sim.now_ns + duration_ns;

    while (world->sim.now_ns < end_ns && !world->sim.broken) {
        accept_all(world);
        for (unsigned i = 0; i < count; i++) {
            struct flow *flow = &world->flows[i];
            if (flow->server != NULL) {
                fill(flow->server);
            }
            if (flow->client != NULL && i >= first_reader) {
                flow->received += drain(flow->client);
            }
        }
        sim_step(&world->sim, end_ns);
    }
    sim_check_tcp(&world->sim);
}

/*
 * Clients that make their buffers grow and then stop reading: what they hold must not keep a
 * newcomer out, nor slow it down to nothing.
 */
static void test_hogs(void)
{
    static struct world world;
    const unsigned hogs = 24;
    struct sim_config config = {
        .seed = 8,
        .mtu_bytes = 1500,
        .memory_limit_bytes = 8u << 20,
        .link = {{.delay_ns = 20 * SIM_MS},
                 {.delay_ns = 20 * SIM_MS, .bytes_per_second = 8000000, .queue_bytes = 400000}}};

    begin(&world, &config);
    for (unsigned i = 0; i < hogs; i++) {
        open_flow(&world, &world.flows[i]);
    }
    serve(&world, hogs, 0, 4 * SIM_S);
    serve(&world, hogs, hogs, 20 * SIM_S);
    printf("# held by %u hogs: %zu and %zu KiB of %zu\n", hogs,
           world.sim.host[0].stack->memory_used_bytes >> 10,
           world.sim.host[1].stack->memory_used_bytes >> 10, config.memory_limit_bytes >> 10);
    open_flow(&world, &world.flows[hogs]);
    serve(&world, hogs + 1, hogs, 4 * SIM_S);
    printf("# the newcomer received %llu KiB in 4 s\n",
           (unsigned long long)world.flows[hogs].received >> 10);
    bool served = world.flows[hogs].received > 2u << 20;
    report(end(&world) && served, "who does not read keeps nobody out");
}

/* Both ends write all they can, every few milliseconds. */
static void push(struct world *world, unsigned first, unsigned end, uint64_t duration_ns, bool read)
{
    uint64_t end_ns = world->sim.now_ns + duration_ns;
    uint64_t turn_ns = 0;

    while (world->sim.now_ns < end_ns && !world->sim.broken) {
        if (world->sim.now_ns < turn_ns) {
            sim_step(&world->sim, turn_ns < end_ns ? turn_ns : end_ns);
            continue;
        }
        turn_ns = world->sim.now_ns + 2 * SIM_MS;
        accept_all(world);
        for (unsigned i = first; i < end; i++) {
            struct flow *flow = &world->flows[i];
            if (flow->server != NULL && flow->client != NULL) {
                if (read) {
                    flow->received += drain(flow->client);
                    flow->uploaded += drain(flow->server);
                }
                fill(flow->server);
                fill(flow->client);
            }
        }
    }
    sim_check_tcp(&world->sim);
}

static unsigned served(const struct world *world, unsigned first, unsigned end)
{
    unsigned count = 0;

    for (unsigned i = first; i < end; i++) {
        count += world->flows[i].server != NULL &&
                 !(net_socket_events(world->flows[i].server) & NET_EVENT_HANGUP_BIT);
    }
    return count;
}

/*
 * One peer with hundreds of connections that nobody reads, at either end, takes what it can get;
 * another (the other family) connects and is served as if nothing were. When the greedy one
 * reads again, all its connections are still there: no promise was broken.
 */
static void test_greedy_peer(void)
{
    static struct world world;
    const unsigned greedy = 280;
    const unsigned others = 8;
    struct sim_config config = {
        .seed = 21,
        .mtu_bytes = 1500,
        .memory_limit_bytes = 16u << 20,
        .link = {{.delay_ns = 5 * SIM_MS, .bytes_per_second = 12500000, .queue_bytes = 500000},
                 {.delay_ns = 5 * SIM_MS, .bytes_per_second = 12500000, .queue_bytes = 500000}}};
    const struct net_stack *server;
    const struct net_config *net;
    uint64_t least = UINT64_MAX;
    bool within;
    unsigned kept;
    unsigned refused;

    begin_family(&world, &config, NET_FAMILY_IPV6);
    world.sim.host[0].stack->config.memory_limit_bytes = 1u << 30; /* is not what is looked at */
    server = world.sim.host[1].stack;
    net = &server->config;
    push(&world, 0, 0, 4 * SIM_S, true); /* IPv6 addresses are checked for duplicates first */
    for (unsigned i = 0; i < 40; i++) {
        open_flow(&world, &world.flows[i]);
    }
    push(&world, 0, 40, 2 * SIM_S, true); /* buffers grow */
    for (unsigned i = 40; i < greedy; i++) {
        open_flow(&world, &world.flows[i]);
    }
    push(&world, 0, greedy, 10 * SIM_S, false);
    kept = served(&world, 0, greedy);
    refused = (unsigned)server->tcp->statistics.accept_overflows;
    within = server->memory_used_bytes < net->memory_limit_bytes;
    printf("# %u of %u greedy connections hold %zu of %zu KiB, %u SYNs refused\n", kept, greedy,
           server->memory_used_bytes >> 10, net->memory_limit_bytes >> 10, refused);

    for (unsigned i = greedy; i < greedy + others; i++) {
        open_flow_to(&world, &world.flows[i], sim_address_ipv6(&world.sim, 1), NET_FAMILY_IPV6);
    }
    push(&world, greedy, greedy + others, 5 * SIM_S, true);
    for (unsigned i = greedy; i < greedy + others; i++) {
        struct flow *flow = &world.flows[i];
        uint64_t both = flow->received < flow->uploaded ? flow->received : flow->uploaded;
        least = both < least ? both : least;
    }
    within &= server->memory_used_bytes < net->memory_limit_bytes;
    printf("# %u others: at least %llu KiB each way and connection in 5 s\n",
           served(&world, greedy, greedy + others), (unsigned long long)least >> 10);
    within &= served(&world, greedy, greedy + others) == others && least > 3u << 20;
    report(within && kept >= 40 && refused > 0, "a greedy peer leaves others their share");

    push(&world, 0, greedy, 5 * SIM_S, true);
    printf("# %u greedy connections later, %llu bytes refused\n", served(&world, 0, greedy),
           (unsigned long long)server->tcp->statistics.data_refused);
    within = served(&world, 0, greedy) >= kept;
    report(end(&world) && within, "and loses no connection when it reads again");
}

/* A little each half second; returns how long, at most, nothing arrived, in ns. */
static uint64_t trickle(struct world *world, struct flow *flow, uint64_t duration_ns)
{
    uint64_t end_ns = world->sim.now_ns + duration_ns;
    uint64_t turn_ns = 0;
    uint64_t heard_ns = world->sim.now_ns;
    uint64_t longest_ns = 0;

    while (world->sim.now_ns < end_ns && !world->sim.broken) {
        struct net_span span;
        accept_all(world);
        if (world->sim.now_ns >= turn_ns) {
            turn_ns = world->sim.now_ns + 500 * SIM_MS;
            if (net_socket_send_reserve(flow->client, 5000, &span) == ERR_OK) {
                memset(span.data, 't', span.length_bytes);
                if (net_socket_send_commit(flow->client, span.length_bytes, NULL) != ERR_OK) {
                    sim_fail(&world->sim, "commit failed");
                }
            }
        }
        if (flow->server != NULL && drain(flow->server) > 0) {
            heard_ns = world->sim.now_ns;
        }
        if (world->sim.now_ns - heard_ns > longest_ns) {
            longest_ns = world->sim.now_ns - heard_ns;
        }
        sim_step(&world->sim, turn_ns < end_ns ? turn_ns : end_ns);
    }
    sim_check_tcp(&world->sim);
    return longest_ns;
}

/*
 * RFC 1191 §6.3: a path that has grown is found out within ten minutes or so; one that has not
 * costs a lost packet in that time, not the connection, whether a router speaks or none does.
 */
static void test_path_grows(bool silently)
{
    static struct world world;
    struct sim_config config = {
        .seed = 31,
        .mtu_bytes = 1500,
        .memory_limit_bytes = 16u << 20,
        .link = {{.delay_ns = 20 * SIM_MS, .narrow_mtu_bytes = 1100, .narrow_silently = silently},
                 {.delay_ns = 20 * SIM_MS}}};
    const struct tcp_socket *sock;
    struct flow *flow = &world.flows[0];
    uint64_t stall_ns;
    uint64_t timeouts;
    bool ok;
    char title[64];

    begin(&world, &config);
    open_flow(&world, flow);
    sock = (const struct tcp_socket *)flow->client;
    (void)trickle(&world, flow, 20 * SIM_S);
    ok = sock->mss == (silently ? 984 : 1060);
    /* Three times it tries, and goes back. */
    timeouts = world.sim.host[0].stack->tcp->statistics.timeouts;
    stall_ns = trickle(&world, flow, 1850 * SIM_S);
    timeouts = world.sim.host[0].stack->tcp->statistics.timeouts - timeouts;
    ok &= sock->mss == (silently ? 984 : 1060) && stall_ns < 1500 * SIM_MS;
    ok &= sock->mss_raised_ns != 0 && timeouts == (silently ? 3 : 0);
    printf("# still narrow: %llu time-outs, no more than %llu ms without data\n",
           (unsigned long long)timeouts, (unsigned long long)(stall_ns / SIM_MS));
    world.sim.host[0].link.narrow_mtu_bytes = 0;
    (void)trickle(&world, flow, 610 * SIM_S);
    ok &= sock->mss == 1460 && sock->mss_limit == 0;
    snprintf(title, sizeof(title), "a path that grows is noticed (%s)",
             silently ? "black hole" : "told");
    report(end(&world) && ok, title);
}

/* Mathis et al. 1997: rate = MSS / RTT * 1.22 / sqrt(p); CUBIC is above it at low loss. */
static void test_loss_model(double loss)
{
    static struct world world;
    const double rtt = 0.04;
    struct sim_config config = {.seed = 11,
                                .mtu_bytes = 1500,
                                .memory_limit_bytes = 256u << 20,
                                .link = {{.delay_ns = 20 * SIM_MS}, {.delay_ns = 20 * SIM_MS}}};
    double model = 1448 / rtt * 1.22 / sqrt(loss);
    double rate;
    char title[64];

    config.link[0].loss_ppm = (uint32_t)(loss * 1e6);
    begin(&world, &config);
    open_flow(&world, &world.flows[0]);
    run_bulk(&world, 1, 10 * SIM_S);
    world.flows[0].received = 0;
    run_bulk(&world, 1, 100 * SIM_S);
    rate = (double)world.flows[0].received / 100;
    printf("# loss %.2f%%: %.0f kB/s, model %.0f kB/s\n", loss * 100, rate / 1e3, model / 1e3);
    snprintf(title, sizeof(title), "rate at %.2f%% loss follows the model", loss * 100);
    report(end(&world) && rate > 0.6 * model && rate < 3 * model, title);
}

/* One exchange after another on each slot; half of them closed by either side first. */
static void churn(struct world *world, struct flow *flow)
{
    struct net_const_span span;
    struct net_span out;
    enum err err;

    if (flow->client == NULL && flow->server == NULL) {
        open_flow(world, flow);
        flow->step = 0;
        return;
    }
    if (flow->client != NULL && flow->step == 0 &&
        net_socket_send_reserve(flow->client, 100, &out) == ERR_OK) {
        memset(out.data, 'q', out.length_bytes);
        flow->step = net_socket_send_commit(flow->client, out.length_bytes, NULL) == ERR_OK;
    }
    if (flow->server != NULL) {
        err = net_socket_receive_peek(flow->server, 0, &span);
        if (err == ERR_OK && span.length_bytes > 0) {
            net_socket_receive_consume(flow->server, span.length_bytes);
            if (net_socket_send_reserve(flow->server, 3000, &out) == ERR_OK) {
                memset(out.data, 'a', out.length_bytes);
                (void)!net_socket_send_commit(flow->server, out.length_bytes, NULL);
            }
            if (sim_chance(&world->sim, 500000)) {
                net_socket_close(flow->server);
                flow->server = NULL;
            }
        } else if (err != ERR_AGAIN) {
            net_socket_close(flow->server);
            flow->server = NULL;
        }
    }
    if (flow->client != NULL) {
        uint32_t events = net_socket_events(flow->client);
        flow->received += drain(flow->client);
        if ((events & (NET_EVENT_PEER_CLOSED_BIT | NET_EVENT_HANGUP_BIT)) ||
            (flow->received % 3000 == 0 && flow->received > 0 && flow->step == 1)) {
            net_socket_close(flow->client);
            flow->client = NULL;
            flow->received = 0;
        }
    }
}

static void test_soak(uint64_t quarter_ns)
{
    static struct world world;
    struct sim_config config = {
        .seed = 3,
        .mtu_bytes = 1500,
        .features = {NETDEV_TX_CHECKSUM_BIT | NETDEV_TX_TSO4_BIT, 0},
        .memory_limit_bytes = 8u << 20,
        .link = {{.delay_ns = 5 * SIM_MS,
                  .loss_ppm = 10000,
                  .reorder_ppm = 10000,
                  .reorder_ns = 5 * SIM_MS,
                  .duplicate_ppm = 5000},
                 {.delay_ns = 5 * SIM_MS, .loss_ppm = 10000, .corrupt_ppm = 5000}}};
    uint64_t end_ns;
    size_t memory[2] = {0, 0};
    uint64_t connections = 0;
    bool flat = true;

    begin(&world, &config);
    for (unsigned quarter = 0; quarter < 4; quarter++) {
        end_ns = world.sim.now_ns + quarter_ns;
        while (world.sim.now_ns < end_ns && !world.sim.broken) {
            accept_all(&world);
            for (unsigned i = 0; i < CHURN_FLOWS; i++) {
                connections += world.flows[i].client == NULL && world.flows[i].server == NULL;
                churn(&world, &world.flows[i]);
            }
            sim_step(&world.sim, world.sim.now_ns + 200 * SIM_MS);
        }
        /* TIME_WAIT ends, too: what is left then is what stays. */
        for (unsigned i = 0; i < CHURN_FLOWS; i++) {
            struct flow *flow = &world.flows[i];
            if (flow->client != NULL) {
                net_socket_close(flow->client);
            }
            if (flow->server != NULL) {
                net_socket_close(flow->server);
            }
            *flow = (struct flow){0};
        }
        end_ns = world.sim.now_ns + 400 * SIM_S;
        while (world.sim.now_ns < end_ns && !world.sim.broken) {
            accept_all(&world);
            sim_step(&world.sim, end_ns);
        }
        sim_check_tcp(&world.sim);
        for (unsigned i = 0; i < 2; i++) {
            const struct tcp_state *tcp = world.sim.host[i].stack->tcp;
            flat &= tcp->table.count == 0 && tcp->time_wait_count == 0;
            if (quarter == 0) {
                memory[i] = world.sim.host[i].allocated_bytes;
            } else {
                flat &= world.sim.host[i].allocated_bytes <= memory[i] + memory[i] / 4;
            }
        }
    }
    printf("# %llu connections, memory %zu and %zu bytes\n", (unsigned long long)connections,
           world.sim.host[0].allocated_bytes, world.sim.host[1].allocated_bytes);
    report(end(&world) && flat && connections > 10000, "churn leaves nothing behind");
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "--path")) {
        test_path_grows(false);
        test_path_grows(true);
        return failed;
    }

    bool is_long = argc > 1 && strcmp(argv[1], "--long") == 0;

    printf("TAP version 13\n");
    test_sharing(1, 0, "one flow fills the link");
    test_sharing(1, NETDEV_TX_CHECKSUM_BIT | NETDEV_TX_TSO4_BIT, "with segmentation offload");
    test_sharing(4, 0, "four flows share it");
    test_sharing(12, 0, "twelve flows share it");
    test_hogs();
    test_greedy_peer();
    test_path_grows(false);
    test_path_grows(true);
    test_loss_model(0.001);
    test_loss_model(0.01);
    test_loss_model(0.03);
    test_soak((is_long ? 900 : 40) * SIM_S);
    printf("1..%d\n", number);
    return failed != 0;
}
