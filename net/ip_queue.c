#include "net/ip_state.h"

void ip_queue_push(struct ip_packet_queue *queue, struct net_packet *packet)
{
    packet->next = NULL;
    if (queue->last == NULL) {
        queue->first = packet;
    } else {
        queue->last->next = packet;
    }
    queue->last = packet;
    queue->count++;
}

struct net_packet *ip_queue_pop(struct ip_packet_queue *queue)
{
    struct net_packet *packet = queue->first;
    if (packet == NULL) {
        return NULL;
    }
    queue->first = packet->next;
    if (queue->first == NULL) {
        queue->last = NULL;
    }
    packet->next = NULL;
    queue->count--;
    return packet;
}

void ip_queue_drop(struct ip_packet_queue *queue)
{
    struct net_packet *packet;
    while ((packet = ip_queue_pop(queue)) != NULL) {
        packet->done(packet);
    }
}

bool ip_rate_allow(struct ip_rate_limit *limit, uint64_t now_ns, uint32_t per_second,
                   uint32_t burst)
{
    uint64_t full = burst * NS_PER_S;
    uint64_t elapsed = now_ns - limit->updated_ns;

    /* A second's worth of `burst` intervals fills any bucket: cap before multiplying. */
    if (limit->updated_ns == 0 || elapsed >= full / per_second) {
        limit->tokens_nano = full;
    } else {
        limit->tokens_nano += elapsed * per_second;
    }
    if (limit->tokens_nano > full) {
        limit->tokens_nano = full;
    }
    limit->updated_ns = now_ns;
    if (limit->tokens_nano < NS_PER_S) {
        return false;
    }
    limit->tokens_nano -= NS_PER_S;
    return true;
}
