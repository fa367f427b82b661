/* RFC 826, 791, 8200, 792, 4443, 768, 9293: the fields that tell what happens. */
#include "trace/packet.h"

#include <stdbool.h>

#include "kernel/base/string.h"
#include "net/ip_text.h"
#include "net/wire.h"

#define IPV6_EXTENSIONS_MAX 8u

/* What is left of the frame, and where the transport's part of it ends. */
struct cursor {
    const uint8_t *at;
    size_t left_bytes;  /* there to be read */
    size_t total_bytes; /* by the packet's own account */
};

struct addresses {
    char source[IP_TEXT_BYTES];
    char destination[IP_TEXT_BYTES];
    bool is_ipv6;
};

/* The next `size_bytes`, or NULL. */
static const void *take(struct cursor *cursor, size_t size_bytes)
{
    const void *taken = cursor->at;

    if (size_bytes > cursor->left_bytes || size_bytes > cursor->total_bytes) {
        return NULL;
    }
    cursor->at += size_bytes;
    cursor->left_bytes -= size_bytes;
    cursor->total_bytes -= size_bytes;
    return taken;
}

static void add_cut(struct trace_text *text, const char *what)
{
    trace_text_add(text, "%s, cut off", what);
}

static void format_ipv4(const uint8_t bytes[4], char out[IP_TEXT_BYTES])
{
    struct ip_address address = ip_address_from_ipv4(bytes);

    (void)ip_address_format(&address, out);
}

static void format_ipv6(const uint8_t bytes[16], char out[IP_TEXT_BYTES])
{
    struct ip_address address = ip_address_from_ipv6(bytes);

    (void)ip_address_format(&address, out);
}

static void add_endpoints(struct trace_text *text, const struct addresses *addresses,
                          unsigned source_port, unsigned destination_port)
{
    const char *format = addresses->is_ipv6 ? "[%s]:%u > [%s]:%u " : "%s:%u > %s:%u ";

    trace_text_add(text, format, addresses->source, source_port, addresses->destination,
                   destination_port);
}

static void add_tcp(struct trace_text *text, const struct addresses *addresses,
                    struct cursor cursor)
{
    static const char letters[] = "FSRP.UEC";
    const struct tcp_header *tcp = take(&cursor, sizeof(*tcp));

    if (tcp == NULL) {
        trace_text_add(text, "%s > %s ", addresses->source, addresses->destination);
        add_cut(text, "tcp");
        return;
    }
    size_t header_bytes = (size_t)(tcp->data_offset >> 4) * 4;
    add_endpoints(text, addresses, be16_get(tcp->source_port), be16_get(tcp->destination_port));
    trace_text_add(text, "tcp ");
    for (unsigned bit = 0; bit < 8; bit++) {
        if ((tcp->flags >> bit & 1) != 0) {
            trace_text_add(text, "%c", letters[bit]);
        }
    }
    trace_text_add(text, " seq %u ack %u win %u", be32_get(tcp->sequence),
                   be32_get(tcp->acknowledgement), be16_get(tcp->window));
    if (header_bytes < sizeof(*tcp) || header_bytes - sizeof(*tcp) > cursor.total_bytes) {
        trace_text_add(text, ", bad header length");
    } else {
        trace_text_add(text, " length %zu", cursor.total_bytes - (header_bytes - sizeof(*tcp)));
    }
}

static void add_udp(struct trace_text *text, const struct addresses *addresses,
                    struct cursor cursor)
{
    const struct udp_header *udp = take(&cursor, sizeof(*udp));

    if (udp == NULL) {
        trace_text_add(text, "%s > %s ", addresses->source, addresses->destination);
        add_cut(text, "udp");
        return;
    }
    add_endpoints(text, addresses, be16_get(udp->source_port), be16_get(udp->destination_port));
    trace_text_add(text, "udp length %zu", cursor.total_bytes);
}

static void add_icmp(struct trace_text *text, const struct addresses *addresses,
                     struct cursor cursor)
{
    const struct icmp_header *icmp = take(&cursor, sizeof(*icmp));
    const char *name = addresses->is_ipv6 ? "icmp6" : "icmp";

    trace_text_add(text, "%s > %s ", addresses->source, addresses->destination);
    if (icmp == NULL) {
        add_cut(text, name);
        return;
    }
    trace_text_add(text, "%s type %u code %u length %zu", name, icmp->type, icmp->code,
                   cursor.total_bytes);
}

static void add_transport(struct trace_text *text, const struct addresses *addresses,
                          unsigned protocol, struct cursor cursor)
{
    switch (protocol) {
    case IP_TCP:
        add_tcp(text, addresses, cursor);
        return;
    case IP_UDP:
        add_udp(text, addresses, cursor);
        return;
    case IP_ICMP:
    case IP_ICMPV6:
        add_icmp(text, addresses, cursor);
        return;
    default:
        trace_text_add(text, "%s > %s protocol %u length %zu", addresses->source,
                       addresses->destination, protocol, cursor.total_bytes);
    }
}

static void add_fragment(struct trace_text *text, const struct addresses *addresses,
                         unsigned identification, unsigned offset_bytes, struct cursor cursor)
{
    trace_text_add(text, "%s > %s fragment %u offset %u length %zu", addresses->source,
                   addresses->destination, identification, offset_bytes, cursor.total_bytes);
}

static void add_ipv4(struct trace_text *text, struct cursor cursor)
{
    struct addresses addresses = {.is_ipv6 = false};
    const struct ipv4_header *ip = take(&cursor, sizeof(*ip));

    if (ip == NULL) {
        add_cut(text, "ip");
        return;
    }
    size_t header_bytes = (size_t)(ip->version_length & 0xf) * 4;
    size_t total_bytes = be16_get(ip->total_length);
    unsigned fragment = be16_get(ip->fragment);
    format_ipv4(ip->source, addresses.source);
    format_ipv4(ip->destination, addresses.destination);
    if (ip->version_length >> 4 != 4 || header_bytes < sizeof(*ip) || total_bytes < header_bytes ||
        total_bytes - sizeof(*ip) > cursor.total_bytes) {
        trace_text_add(text, "%s > %s ip, bad header", addresses.source, addresses.destination);
        return;
    }
    cursor.total_bytes = total_bytes - sizeof(*ip);
    if (take(&cursor, header_bytes - sizeof(*ip)) == NULL) {
        add_cut(text, "ip");
        return;
    }
    if ((fragment & (IPV4_FRAGMENT_MORE_BIT | IPV4_FRAGMENT_OFFSET_MASK)) != 0) {
        add_fragment(text, &addresses, be16_get(ip->identification),
                     (fragment & IPV4_FRAGMENT_OFFSET_MASK) * 8, cursor);
        return;
    }
    add_transport(text, &addresses, ip->protocol, cursor);
}

/* Skips extension headers; false: something that was shown or is cut off. */
static bool skip_extensions(struct trace_text *text, const struct addresses *addresses,
                            unsigned *next, struct cursor *cursor)
{
    for (unsigned i = 0; i < IPV6_EXTENSIONS_MAX; i++) {
        if (*next == IPV6_NEXT_FRAGMENT) {
            const struct ipv6_fragment *fragment = take(cursor, sizeof(*fragment));
            if (fragment == NULL) {
                break;
            }
            add_fragment(text, addresses, be32_get(fragment->identification),
                         be16_get(fragment->offset_more) & ~7u, *cursor);
            return false;
        }
        if (*next != IPV6_NEXT_HOP_BY_HOP && *next != IPV6_NEXT_ROUTING &&
            *next != IPV6_NEXT_OPTIONS) {
            return true;
        }
        const struct ipv6_extension *extension = take(cursor, sizeof(*extension));
        if (extension == NULL ||
            take(cursor, (size_t)extension->length * 8 + 8 - sizeof(*extension)) == NULL) {
            break;
        }
        *next = extension->next_header;
    }
    trace_text_add(text, "%s > %s ", addresses->source, addresses->destination);
    add_cut(text, "ip6 extension header");
    return false;
}

static void add_ipv6(struct trace_text *text, struct cursor cursor)
{
    struct addresses addresses = {.is_ipv6 = true};
    const struct ipv6_header *ip = take(&cursor, sizeof(*ip));

    if (ip == NULL) {
        add_cut(text, "ip6");
        return;
    }
    unsigned next = ip->next_header;
    format_ipv6(ip->source, addresses.source);
    format_ipv6(ip->destination, addresses.destination);
    if (be32_get(ip->version_class_flow) >> 28 != 6 ||
        be16_get(ip->payload_length) > cursor.total_bytes) {
        trace_text_add(text, "%s > %s ip6, bad header", addresses.source, addresses.destination);
        return;
    }
    cursor.total_bytes = be16_get(ip->payload_length);
    if (skip_extensions(text, &addresses, &next, &cursor)) {
        add_transport(text, &addresses, next, cursor);
    }
}

static void add_link_address(struct trace_text *text, const uint8_t bytes[6])
{
    trace_text_add(text, "%02x:%02x:%02x:%02x:%02x:%02x", bytes[0], bytes[1], bytes[2], bytes[3],
                   bytes[4], bytes[5]);
}

static void add_arp(struct trace_text *text, struct cursor cursor)
{
    const struct arp_packet *arp = take(&cursor, sizeof(*arp));
    char sender[IP_TEXT_BYTES];
    char target[IP_TEXT_BYTES];

    if (arp == NULL) {
        add_cut(text, "arp");
        return;
    }
    format_ipv4(arp->sender_protocol, sender);
    format_ipv4(arp->target_protocol, target);
    switch (be16_get(arp->operation)) {
    case ARP_REQUEST:
        trace_text_add(text, "arp who has %s, tell %s", target, sender);
        return;
    case ARP_REPLY:
        trace_text_add(text, "arp %s is at ", sender);
        add_link_address(text, arp->sender_hardware);
        return;
    default:
        trace_text_add(text, "arp operation %u", be16_get(arp->operation));
    }
}

void trace_packet(struct trace_text *text, const uint8_t *frame, size_t size_bytes,
                  size_t total_bytes)
{
    struct cursor cursor = {frame, size_bytes, total_bytes};
    const struct ethernet_header *ethernet = take(&cursor, sizeof(*ethernet));

    if (ethernet == NULL) {
        add_cut(text, "frame");
        return;
    }
    switch (be16_get(ethernet->type)) {
    case ETHERTYPE_ARP:
        add_arp(text, cursor);
        return;
    case ETHERTYPE_IPV4:
        add_ipv4(text, cursor);
        return;
    case ETHERTYPE_IPV6:
        add_ipv6(text, cursor);
        return;
    default:
        add_link_address(text, ethernet->source);
        trace_text_add(text, " > ");
        add_link_address(text, ethernet->destination);
        trace_text_add(text, " type 0x%04x length %zu", be16_get(ethernet->type),
                       cursor.total_bytes);
    }
}

void trace_packet_ip(struct trace_text *text, const uint8_t *packet, size_t size_bytes,
                     size_t total_bytes)
{
    struct cursor cursor = {packet, size_bytes, total_bytes};

    if (size_bytes != 0 && packet[0] >> 4 == 6) {
        add_ipv6(text, cursor);
    } else {
        add_ipv4(text, cursor);
    }
}
