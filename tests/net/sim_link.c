/* The wire, and what offloading cards do with frames before they are on it. */
#include "tests/net/sim.h"

#include <stdlib.h>
#include <string.h>

#include "net/checksum.h"
#include "net/wire.h"

static struct sim_frame *frame_new(uint32_t length)
{
    struct sim_frame *frame = calloc(1, sizeof(*frame) + length);

    if (frame == NULL) {
        abort();
    }
    frame->length = length;
    return frame;
}

static void enqueue(struct sim_host *to, struct sim_frame *frame)
{
    struct sim_frame **link = &to->wire;

    while (*link != NULL && (*link)->arrival_ns <= frame->arrival_ns) {
        link = &(*link)->next;
    }
    frame->next = *link;
    *link = frame;
}

static bool is_ipv4(const struct sim_frame *frame)
{
    return frame->length >= 34 && frame->data[12] == 0x08 && frame->data[13] == 0x00;
}

static uint32_t transport_offset(const struct sim_frame *frame)
{
    return is_ipv4(frame) ? 14 + (frame->data[14] & 15u) * 4 : 54;
}

static bool is_tcp(const struct sim_frame *frame)
{
    if (is_ipv4(frame)) {
        return frame->data[23] == 6;
    }
    return frame->length >= 74 && frame->data[12] == 0x86 && frame->data[20] == 6;
}

static bool is_pure_ack(const struct sim_frame *frame)
{
    uint32_t offset = transport_offset(frame);
    uint32_t end = is_ipv4(frame) ? 14 + (frame->data[16] * 256u + frame->data[17]) : frame->length;

    return is_tcp(frame) && offset + 20 <= frame->length &&
           (frame->data[offset + 13] & 0x17) == 0x10 &&
           offset + (frame->data[offset + 12] >> 4) * 4u == end;
}

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* RFC 1191 §4: what the router in front of the narrow part says; it comes from the other host. */
static void tell_too_big(struct sim_host *to, const struct sim_frame *dropped, uint32_t mtu_bytes)
{
    struct sim_frame *frame = frame_new(14 + 20 + 8 + 28);
    uint8_t *ip = frame->data + 14;
    uint16_t sum;

    memcpy(frame->data, dropped->data + 6, 6);
    memcpy(frame->data + 6, dropped->data, 6);
    frame->data[12] = 0x08;
    ip[0] = 0x45;
    ip[3] = 20 + 8 + 28;
    ip[8] = 64;
    ip[9] = 1;
    memcpy(ip + 12, dropped->data + 30, 4);
    memcpy(ip + 16, dropped->data + 26, 4);
    sum = checksum_finish(checksum_add(0, ip, 20));
    memcpy(ip + 10, &sum, 2);
    ip[20] = 3;
    ip[21] = 4;
    put16(ip + 26, mtu_bytes);
    memcpy(ip + 28, dropped->data + 14, 28);
    sum = checksum_finish(checksum_add(0, ip + 20, 8 + 28));
    memcpy(ip + 22, &sum, 2);
    frame->arrival_ns = to->sim->now_ns + SIM_MS;
    enqueue(to, frame);
}

static bool fits(struct sim_host *from, const struct sim_frame *frame)
{
    const struct sim_link_config *link = &from->link;

    if (link->narrow_mtu_bytes == 0 || from->frames_sent < link->narrow_after_frames ||
        frame->length <= 14 + link->narrow_mtu_bytes) {
        return true;
    }
    if (!link->narrow_silently && is_ipv4(frame)) {
        tell_too_big(from, frame, link->narrow_mtu_bytes);
    }
    return false;
}

/* One frame onto the wire of `from`, through all impairments. */
static void transmit_one(struct sim_host *from, struct sim_frame *frame, bool is_copy)
{
    struct sim *sim = from->sim;
    const struct sim_link_config *link = &from->link;
    struct sim_host *to = &sim->host[from == &sim->host[0]];
    uint64_t start = from->busy_until_ns > sim->now_ns ? from->busy_until_ns : sim->now_ns;

    from->frames_sent++;
    from->bytes_sent += frame->length;
    if (!fits(from, frame)) {
        from->frames_dropped++;
        free(frame);
        return;
    }
    if (link->bytes_per_second != 0) {
        uint64_t backlog = (start - sim->now_ns) * link->bytes_per_second / SIM_S;
        if (backlog + frame->length > link->queue_bytes) {
            from->frames_dropped++;
            free(frame);
            return;
        }
        start += frame->length * SIM_S / link->bytes_per_second;
        from->busy_until_ns = start;
    }
    if (from->burst_left == 0 && sim_chance(sim, link->burst_ppm)) {
        from->burst_left = 1 + (uint32_t)sim_below(sim, link->burst_frames);
    }
    if (from->burst_left > 0 || sim_chance(sim, link->loss_ppm) ||
        (is_pure_ack(frame) && sim_chance(sim, link->thin_ppm))) {
        from->burst_left -= from->burst_left > 0;
        from->frames_dropped++;
        free(frame);
        return;
    }
    if (!is_copy && sim_chance(sim, link->duplicate_ppm)) {
        struct sim_frame *copy = frame_new(frame->length);
        memcpy(copy->data, frame->data, frame->length);
        copy->gso = frame->gso;
        copy->gso_size = frame->gso_size;
        copy->checksum_valid = frame->checksum_valid;
        transmit_one(from, copy, true);
    }
    if (sim_chance(sim, link->corrupt_ppm)) {
        frame->data[sim_below(sim, frame->length)] ^= (uint8_t)(1u << sim_below(sim, 8));
        frame->checksum_valid = false;
        frame->gso = NET_GSO_NONE;
    }
    frame->arrival_ns = start + link->delay_ns;
    if (link->jitter_ns != 0) {
        frame->arrival_ns += sim_below(sim, link->jitter_ns);
    }
    if (sim_chance(sim, link->reorder_ppm)) {
        frame->arrival_ns += link->reorder_ns;
    } else {
        if (frame->arrival_ns < from->last_arrival_ns) {
            frame->arrival_ns = from->last_arrival_ns;
        }
        from->last_arrival_ns = frame->arrival_ns;
    }
    enqueue(to, frame);
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value & 0xffff);
}

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void complete_tcp_checksum(struct sim_frame *frame)
{
    uint32_t offset = transport_offset(frame);
    bool v4 = is_ipv4(frame);
    uint32_t length = frame->length - offset;
    uint8_t pseudo[8] = {0,
                         6,
                         0,
                         0,
                         (uint8_t)(length >> 24),
                         (uint8_t)(length >> 16),
                         (uint8_t)(length >> 8),
                         (uint8_t)length};
    uint32_t sum = checksum_add(0, pseudo, 8);
    uint16_t result;

    pseudo[0] = 0;
    sum = checksum_add(sum, frame->data + (v4 ? 26 : 22), v4 ? 8 : 32);
    put16(frame->data + offset + 16, 0);
    sum = checksum_add(sum, frame->data + offset, length);
    result = checksum_finish(sum);
    memcpy(frame->data + offset + 16, &result, 2);
}

static void complete_ip_header(struct sim_frame *frame, uint32_t index)
{
    uint32_t identification = frame->data[18] * 256u + frame->data[19];
    uint16_t result;

    if (!is_ipv4(frame)) {
        put16(frame->data + 18, frame->length - 54);
        return;
    }
    put16(frame->data + 16, frame->length - 14);
    put16(frame->data + 18, (identification + index) & 0xffff);
    put16(frame->data + 24, 0);
    result = checksum_finish(checksum_add(0, frame->data + 14, 20));
    memcpy(frame->data + 24, &result, 2);
}

/* TCP segmentation offload, as a card does it. */
static void segment(struct sim_host *from, const struct sim_frame *whole, uint32_t size)
{
    uint32_t offset = transport_offset(whole);
    uint32_t headers = offset + (whole->data[offset + 12] >> 4) * 4u;
    uint32_t sequence = get32(whole->data + offset + 4);
    uint32_t index = 0;

    for (uint32_t at = headers; at < whole->length; at += size, index++) {
        uint32_t take = whole->length - at < size ? whole->length - at : size;
        struct sim_frame *frame = frame_new(headers + take);
        memcpy(frame->data, whole->data, headers);
        memcpy(frame->data + headers, whole->data + at, take);
        put32(frame->data + offset + 4, sequence + (at - headers));
        if (at + take < whole->length) {
            frame->data[offset + 13] &= (uint8_t)~0x09; /* FIN, PSH: only the last */
        }
        if (index > 0) {
            frame->data[offset + 13] &= 0x7f; /* CWR: only the first */
        }
        complete_ip_header(frame, index);
        complete_tcp_checksum(frame);
        transmit_one(from, frame, false);
    }
}

/* What some middle boxes do to options that they do not know. */
static void strip_options(struct sim_frame *frame, uint32_t strip)
{
    uint32_t offset = transport_offset(frame);
    uint32_t at = offset + 20;
    uint32_t end;

    if (strip == 0 || !is_tcp(frame) || (frame->data[offset + 13] & 2) == 0) {
        return;
    }
    end = offset + (frame->data[offset + 12] >> 4) * 4u;
    while (at + 1 < end && frame->data[at] != 0) {
        uint8_t kind = frame->data[at];
        uint32_t size = kind == 1 ? 1 : frame->data[at + 1];
        if ((kind == 4 && (strip & SIM_STRIP_SACK)) ||
            (kind == 8 && (strip & SIM_STRIP_TIMESTAMPS)) ||
            (kind == 3 && (strip & SIM_STRIP_SCALING))) {
            memset(frame->data + at, 1, size);
        }
        at += size;
    }
    complete_tcp_checksum(frame);
}

void sim_link_send(struct sim_host *from, struct net_packet *packet)
{
    struct sim *sim = from->sim;
    struct sim_host *to = &sim->host[from == &sim->host[0]];
    uint32_t length = packet->header_length_bytes;
    struct sim_frame *frame;

    for (unsigned i = 0; i < packet->fragment_count; i++) {
        length += packet->fragments[i].length_bytes;
    }
    frame = frame_new(length);
    memcpy(frame->data, packet->header + packet->header_start, packet->header_length_bytes);
    length = packet->header_length_bytes;
    for (unsigned i = 0; i < packet->fragment_count; i++) {
        memcpy(frame->data + length, packet->fragments[i].data, packet->fragments[i].length_bytes);
        length += packet->fragments[i].length_bytes;
    }
    if (packet->gso == NET_GSO_NONE && length > from->device.mtu_bytes + 14u) {
        sim_fail(sim, "a frame larger than the MTU");
    }
    if (packet->gso != NET_GSO_NONE &&
        !(from->device.features & (NETDEV_TX_TSO4_BIT | NETDEV_TX_TSO6_BIT))) {
        sim_fail(sim, "segmentation asked of a card without it");
    }
    if (packet->checksum_partial) {
        if (!(from->device.features & NETDEV_TX_CHECKSUM_BIT)) {
            sim_fail(sim, "a checksum asked of a card without it");
        }
        complete_tcp_checksum(frame);
    }
    strip_options(frame, from->link.strip);
    frame->checksum_valid = (to->device.features & NETDEV_RX_CHECKSUM_BIT) != 0;
    if (packet->gso != NET_GSO_NONE && !(to->device.features & NETDEV_RX_LARGE_BIT)) {
        segment(from, frame, packet->gso_size_bytes);
        free(frame);
        return;
    }
    frame->gso = packet->gso;
    frame->gso_size = packet->gso_size_bytes;
    transmit_one(from, frame, false);
}

void sim_link_deliver(struct sim_host *host)
{
    while (host->wire != NULL && host->wire->arrival_ns <= host->sim->now_ns) {
        struct sim_frame *frame = host->wire;
        host->wire = frame->next;
        frame->next = NULL;
        if (host->received_last != NULL) {
            host->received_last->next = frame;
        } else {
            host->received = frame;
        }
        host->received_last = frame;
    }
}

static void free_list(struct sim_frame *frame)
{
    while (frame != NULL) {
        struct sim_frame *next = frame->next;
        free(frame);
        frame = next;
    }
}

void sim_link_clear(struct sim_host *host)
{
    free_list(host->wire);
    free_list(host->received);
    host->wire = NULL;
    host->received = NULL;
    host->received_last = NULL;
}
