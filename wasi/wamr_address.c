#include "wasi/wamr_address.h"

#include "kernel/base/string.h"

enum { KIND_IPV4 = 0, KIND_IPV6 = 1 };

/* Offsets in the structure. */
#define KIND_AT      0u
#define ADDRESS_AT   4u
#define IPV4_PORT_AT 8u
#define IPV6_PORT_AT 20u

/* Between network order and words in host order; its own inverse. */
static void swap_words(uint8_t out[16], const uint8_t in[16])
{
    for (size_t i = 0; i < 16; i += 2) {
        out[i] = in[i + 1];
        out[i + 1] = in[i];
    }
}

enum err wasi_wamr_address_read(struct guest_addr address, struct net_endpoint *out)
{
    uint8_t raw[WAMR_ADDRESS_BYTES];
    uint8_t bytes[16];
    uint32_t kind;
    enum err error = guest_read(address, raw, sizeof(raw));

    if (error != ERR_OK) {
        return error;
    }
    memcpy(&kind, raw + KIND_AT, sizeof(kind));
    if (kind == KIND_IPV4) {
        out->address = ip_address_from_ipv4(raw + ADDRESS_AT);
        memcpy(&out->port, raw + IPV4_PORT_AT, sizeof(out->port));
        return ERR_OK;
    }
    if (kind == KIND_IPV6) {
        swap_words(bytes, raw + ADDRESS_AT);
        out->address = ip_address_from_ipv6(bytes);
        memcpy(&out->port, raw + IPV6_PORT_AT, sizeof(out->port));
        return ERR_OK;
    }
    return ERR_AFNOSUPPORT;
}

enum err wasi_wamr_address_write(struct guest_addr address, const struct net_endpoint *endpoint,
                                 enum net_family family)
{
    uint8_t raw[WAMR_ADDRESS_BYTES] = {0};

    if (family == NET_FAMILY_IPV4) {
        raw[KIND_AT] = KIND_IPV4;
        memcpy(raw + ADDRESS_AT, ip_address_ipv4_bytes(&endpoint->address), 4);
        memcpy(raw + IPV4_PORT_AT, &endpoint->port, sizeof(endpoint->port));
    } else {
        raw[KIND_AT] = KIND_IPV6;
        swap_words(raw + ADDRESS_AT, ip_address_bytes(&endpoint->address));
        memcpy(raw + IPV6_PORT_AT, &endpoint->port, sizeof(endpoint->port));
    }
    return guest_write(address, raw, sizeof(raw));
}
