#include "net/tcp.h"

#include "kernel/base/string.h"
#include "net/wire.h"

enum tcp_option { /* RFC 9293 §3.2, RFC 7323, RFC 2018 */
                  OPTION_END = 0,
                  OPTION_NOP = 1,
                  OPTION_MSS = 2,
                  OPTION_WINDOW_SCALE = 3,
                  OPTION_SACK_PERMITTED = 4,
                  OPTION_SACK = 5,
                  OPTION_TIMESTAMPS = 8,
};

/* NOP, NOP, TIMESTAMPS, 10: how everyone sends the option (RFC 7323 appendix A). */
#define TIMESTAMPS_ALIGNED 0x0101080au

static uint32_t get32(const uint8_t *bytes)
{
    struct be32 field;
    memcpy(&field, bytes, sizeof(field));
    return be32_get(field);
}

static uint16_t get16(const uint8_t *bytes)
{
    return (uint16_t)((unsigned)bytes[0] << 8 | bytes[1]);
}

static void parse_sack(const uint8_t *data, size_t length, struct tcp_segment *out)
{
    out->sack_count = 0;
    while (length >= 8 && out->sack_count < TCP_SACK_BLOCKS_MAX) {
        struct tcp_sack_block *block = &out->sack[out->sack_count++];
        block->start = get32(data);
        block->end = get32(data + 4);
        data += 8;
        length -= 8;
    }
}

/* One option whose length byte has been checked. Wrong lengths make it unknown: skipped. */
static void parse_option(const uint8_t *option, size_t length, struct tcp_segment *out)
{
    bool syn = (out->flags & TCP_SYN_BIT) != 0;

    switch (option[0]) {
    case OPTION_MSS:
        if (length == 4 && syn) {
            out->mss = get16(option + 2);
        }
        break;
    case OPTION_WINDOW_SCALE:
        if (length == 3 && syn) {
            out->has_window_shift = true;
            out->window_shift =
                option[2] > TCP_WINDOW_SHIFT_MAX ? (uint8_t)TCP_WINDOW_SHIFT_MAX : option[2];
        }
        break;
    case OPTION_SACK_PERMITTED:
        if (length == 2 && syn) {
            out->sack_permitted = true;
        }
        break;
    case OPTION_SACK:
        if (!syn) {
            parse_sack(option + 2, length - 2, out);
        }
        break;
    case OPTION_TIMESTAMPS:
        if (length == 10) {
            out->has_timestamp = true;
            out->timestamp_value = get32(option + 2);
            out->timestamp_echo = get32(option + 6);
        }
        break;
    default:
        break;
    }
}

static void parse_options(const uint8_t *options, size_t length, struct tcp_segment *out)
{
    if (length == 12 && get32(options) == TIMESTAMPS_ALIGNED) {
        out->has_timestamp = true;
        out->timestamp_value = get32(options + 4);
        out->timestamp_echo = get32(options + 8);
        return;
    }
    while (length > 0 && options[0] != OPTION_END) {
        size_t option_length = 1;

        if (options[0] != OPTION_NOP) {
            if (length < 2 || options[1] < 2 || options[1] > length) {
                return; /* the rest cannot be told apart; what came before counts */
            }
            option_length = options[1];
            parse_option(options, option_length, out);
        }
        options += option_length;
        length -= option_length;
    }
}

/* The header, contiguous: in place where it is, else gathered into `copy`. */
static const uint8_t *gather_header(const struct net_buffer *chain, uint32_t offset,
                                    uint32_t wanted, uint8_t *copy)
{
    uint32_t done = 0;

    while (chain != NULL && offset >= chain->length_bytes) {
        offset -= chain->length_bytes;
        chain = chain->next_part;
    }
    if (chain != NULL && chain->length_bytes - offset >= wanted) {
        return chain->data + offset;
    }
    while (chain != NULL && done < wanted) {
        uint32_t take = chain->length_bytes - offset;
        if (take > wanted - done) {
            take = wanted - done;
        }
        memcpy(copy + done, chain->data + offset, take);
        done += take;
        offset = 0;
        chain = chain->next_part;
    }
    return done == wanted ? copy : NULL;
}

bool tcp_checksum_is_right(const struct net_buffer *chain, const struct ip_received *ip)
{
    uint32_t sum = ip_pseudo_sum(&ip->source, &ip->destination, IP_TCP, ip->payload_bytes);

    return ip_checksum_chain(chain, ip->payload_offset, ip->payload_bytes, sum) == 0xffff;
}

bool tcp_segment_parse(struct net_buffer *chain, const struct ip_received *ip,
                       struct tcp_segment *out)
{
    uint8_t copy[TCP_HEADER_BYTES_MAX];
    uint32_t wanted = ip->payload_bytes < sizeof(copy) ? ip->payload_bytes : sizeof(copy);
    const struct tcp_header *header =
        (const struct tcp_header *)gather_header(chain, ip->payload_offset, wanted, copy);
    uint32_t header_bytes;

    if (header == NULL || wanted < sizeof(*header)) {
        return false;
    }
    header_bytes = (uint32_t)(header->data_offset >> 4) * 4;
    if (header_bytes < sizeof(*header) || header_bytes > ip->payload_bytes) {
        return false;
    }
    if (!ip->checksum_valid && !tcp_checksum_is_right(chain, ip)) {
        return false;
    }
    out->ip = ip;
    out->chain = chain;
    out->payload_offset = ip->payload_offset + header_bytes;
    out->length = ip->payload_bytes - header_bytes;
    out->sequence = be32_get(header->sequence);
    out->acknowledgement = be32_get(header->acknowledgement);
    out->window = be16_get(header->window);
    out->source_port = be16_get(header->source_port);
    out->destination_port = be16_get(header->destination_port);
    out->flags = header->flags;
    out->mss = 0;
    out->window_shift = 0;
    out->has_timestamp = false;
    out->has_window_shift = false;
    out->sack_permitted = false;
    out->sack_count = 0;
    out->reuse_sequence = 0;
    if (header_bytes > sizeof(*header)) {
        parse_options((const uint8_t *)(header + 1), header_bytes - sizeof(*header), out);
    }
    return true;
}
