#include "tests/net/packetdrill_wire.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "net/ip_state.h"

#define QUEUE_MAX   512
#define PATIENCE_NS (60ull * 1000000000) /* how long a script may wait for a packet */

struct sniffed {
    uint64_t time_ns;
    size_t length;
    uint8_t data[1600];
};

pthread_mutex_t wire_mutex = PTHREAD_MUTEX_INITIALIZER;
struct net_stack *wire_stack;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_cond_t settled = PTHREAD_COND_INITIALIZER;
static unsigned blocked_count;
static unsigned woken_count;
static struct netdev device;
static uint64_t now_ns = 1000000000;
static struct sniffed queue[QUEUE_MAX];
static size_t queue_head, queue_tail;
static const uint8_t peer_link[6] = {2, 0, 0, 0, 0, 1};

/* ---- Hooks and device ----------------------------------------------------------------------- */

static uint64_t hook_now(void *context)
{
    (void)context;
    return now_ns;
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
    return aligned_alloc(16, (size + 15) & ~(size_t)15);
}

static void hook_free(void *context, void *block)
{
    (void)context;
    free(block);
}

static void hook_wake(void *context, struct net_socket *socket)
{
    (void)context;
    (void)socket;
    woken_count++;
}

static void receive_frame(const void *data, size_t length, uint16_t type)
{
    struct net_buffer *buffer = calloc(1, sizeof(*buffer));
    uint8_t *frame = malloc(length + 14);
    if (buffer == NULL || frame == NULL) {
        abort();
    }
    memcpy(frame, device.address, 6);
    memcpy(frame + 6, peer_link, 6);
    frame[12] = (uint8_t)(type >> 8);
    frame[13] = (uint8_t)type;
    memcpy(frame + 14, data, length);
    *buffer = (struct net_buffer){.data = frame,
                                  .length_bytes = (uint32_t)length + 14,
                                  .capacity_bytes = (uint32_t)length + 14,
                                  .total_bytes = (uint32_t)length + 14,
                                  .owner = frame};
    device.receive(device.stack, buffer);
}

/* Whatever address the stack asks for, the same link answers. */
static void answer_arp(const struct arp_packet *question)
{
    struct arp_packet answer = *question;
    if (memcmp(question->sender_protocol, question->target_protocol, 4) == 0) {
        return;
    }
    answer.operation = be16_make(ARP_REPLY);
    memcpy(answer.sender_hardware, peer_link, 6);
    memcpy(answer.sender_protocol, question->target_protocol, 4);
    memcpy(answer.target_hardware, question->sender_hardware, 6);
    memcpy(answer.target_protocol, question->sender_protocol, 4);
    receive_frame(&answer, sizeof(answer), ETHERTYPE_ARP);
}

/*
 * PSH goes: RFC 9293 §3.9.1.2 wants it on the last byte queued, Linux sets it more often, and the
 * scripts, from which run_packetdrill.py takes it too, look at it.
 */
static void clear_push(uint8_t *ip)
{
    uint8_t *tcp = ip + (ip[0] & 15) * 4;
    uint32_t sum;

    if ((tcp[13] & 8) != 0) {
        tcp[13] &= (uint8_t)~8u;
        /* RFC 1624 §3: the sum of the words falls by 8, its complement grows by as much. */
        sum = (uint32_t)(tcp[16] << 8 | tcp[17]) + 8;
        sum = (sum & 0xffff) + (sum >> 16);
        tcp[16] = (uint8_t)(sum >> 8);
        tcp[17] = (uint8_t)sum;
    }
}

static enum err device_transmit(struct netdev *netdev, struct net_packet *packet)
{
    uint8_t frame[2048];
    size_t at = packet->header_length_bytes;
    (void)netdev;

    memcpy(frame, packet->header + packet->header_start, at);
    for (unsigned i = 0; i < packet->fragment_count; i++) {
        memcpy(frame + at, packet->fragments[i].data, packet->fragments[i].length_bytes);
        at += packet->fragments[i].length_bytes;
    }
    packet->done(packet);
    uint16_t type = (uint16_t)(frame[12] << 8 | frame[13]);
    if (type == ETHERTYPE_ARP) {
        answer_arp((const struct arp_packet *)(frame + 14));
    } else if (type == ETHERTYPE_IPV4 && frame[23] == IP_TCP &&
               queue_tail - queue_head < QUEUE_MAX) {
        struct sniffed *sniffed = &queue[queue_tail++ % QUEUE_MAX];
        sniffed->time_ns = now_ns;
        sniffed->length = at - 14;
        clear_push(frame + 14);
        memcpy(sniffed->data, frame + 14, at - 14);
    }
    return ERR_OK;
}

static void device_flush(struct netdev *netdev)
{
    (void)netdev;
}

static size_t device_poll(struct netdev *netdev, size_t budget)
{
    (void)netdev;
    (void)budget;
    return 0;
}

static void device_receive_free(struct netdev *netdev, struct net_buffer *chain)
{
    (void)netdev;
    free(chain->owner);
    free(chain);
}

static bool device_arm(struct netdev *netdev)
{
    (void)netdev;
    return false;
}

static const struct netdev_ops device_ops = {device_transmit, device_flush, device_poll,
                                             device_receive_free, device_arm};

/* ---- Time ----------------------------------------------------------------------------------- */

/* Lets a blocked call, if something was reported to it, go on before time does. */
static void let_blocked_run(void)
{
    struct timespec limit;
    if (woken_count == 0 || blocked_count == 0) {
        return;
    }
    woken_count = 0;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_nsec += 20000000;
    if (limit.tv_nsec >= 1000000000) {
        limit.tv_nsec -= 1000000000;
        limit.tv_sec++;
    }
    pthread_cond_broadcast(&changed);
    pthread_cond_timedwait(&settled, &wire_mutex, &limit);
}

/* Runs what is due now; the time at which something is due next. */
uint64_t wire_run(void)
{
    uint64_t deadline_ns = UINT64_MAX;
    while (net_stack_poll(wire_stack, &deadline_ns)) {
        let_blocked_run();
        deadline_ns = UINT64_MAX;
    }
    let_blocked_run();
    return deadline_ns > now_ns ? deadline_ns : now_ns + 1000000;
}

static void advance_to(uint64_t end_ns)
{
    for (;;) {
        uint64_t next_ns = wire_run();
        if (now_ns >= end_ns) {
            return;
        }
        now_ns = next_ns < end_ns ? next_ns : end_ns;
    }
}

int wire_usleep(void *userdata, useconds_t usec)
{
    (void)userdata;
    pthread_mutex_lock(&wire_mutex);
    advance_to(now_ns + usec * 1000ull);
    pthread_mutex_unlock(&wire_mutex);
    return 0;
}

int wire_gettimeofday(void *userdata, struct timeval *tv, struct timezone *tz)
{
    (void)userdata;
    (void)tz;
    pthread_mutex_lock(&wire_mutex);
    now_ns += 1000; /* packetdrill spins through the last microseconds before an event */
    tv->tv_sec = (time_t)(now_ns / 1000000000);
    tv->tv_usec = (suseconds_t)(now_ns / 1000 % 1000000);
    pthread_mutex_unlock(&wire_mutex);
    return 0;
}

int wire_send(void *userdata, const void *buf, size_t count)
{
    (void)userdata;
    pthread_mutex_lock(&wire_mutex);
    net_stack_tick(wire_stack);
    receive_frame(buf, count, ETHERTYPE_IPV4);
    wire_run();
    pthread_mutex_unlock(&wire_mutex);
    return 0;
}

int wire_receive(void *userdata, void *buf, size_t *count, long long *time_usecs)
{
    (void)userdata;
    pthread_mutex_lock(&wire_mutex);
    uint64_t end_ns = now_ns + PATIENCE_NS;
    uint64_t next_ns = wire_run();
    while (queue_head == queue_tail && now_ns < end_ns) {
        now_ns = next_ns < end_ns ? next_ns : end_ns;
        next_ns = wire_run();
    }
    size_t length = 0;
    if (queue_head != queue_tail) {
        const struct sniffed *sniffed = &queue[queue_head++ % QUEUE_MAX];
        length = sniffed->length < *count ? sniffed->length : *count;
        memcpy(buf, sniffed->data, length);
        *time_usecs = (long long)(sniffed->time_ns / 1000);
    }
    *count = length;
    pthread_mutex_unlock(&wire_mutex);
    return 0;
}

/* ---- Calls that block -------------------------------------------------------------------------
 */

void wire_block(void)
{
    blocked_count++;
    pthread_cond_signal(&settled);
    pthread_cond_wait(&changed, &wire_mutex);
    blocked_count--;
}

void wire_settled(void)
{
    pthread_cond_signal(&settled);
}

void wire_create(void)
{
    /* run_packetdrill.py names these addresses to packetdrill, too. */
    static const struct net_config config = {.address = {192, 168, 0, 2},
                                             .prefix_length = 16,
                                             .gateway = {192, 168, 0, 1},
                                             .memory_limit_bytes = 256u << 20};
    static const struct net_hooks hooks = {.now_ns = hook_now,
                                           .random = hook_random,
                                           .allocate = hook_allocate,
                                           .free = hook_free,
                                           .wake = hook_wake};
    device = (struct netdev){.ops = &device_ops, .address = {2, 0, 0, 0, 0, 2}, .mtu_bytes = 1500};
    if (net_stack_create(&hooks, &device, &config, &wire_stack) != ERR_OK) {
        abort();
    }
}
