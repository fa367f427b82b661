#include "wasi/sock_address.h"

#include "kernel/base/string.h"

#define IPV4_BYTES    4u
#define IPV6_BYTES    16u
#define STORAGE_BYTES 128u
/* Of the address in a buffer of STORAGE_BYTES. */
#define STORAGE_OFFSET 2u

struct buffer {
    struct guest_addr data;
    uint32_t size_bytes;
};

static enum err read_buffer(struct guest_addr address, struct buffer *out)
{
    uint32_t words[2];
    enum err error = guest_read(address, words, sizeof(words));

    if (error == ERR_OK) {
        out->data = guest_address(words[0]);
        out->size_bytes = words[1];
        error = guest_check(out->data, out->size_bytes);
    }
    return error;
}

/* 0.0.0.0 means any address; the network's any address is all zero. */
static struct ip_address from_ipv4(const uint8_t bytes[IPV4_BYTES])
{
    struct ip_address any = {{0, 0}};

    return (bytes[0] | bytes[1] | bytes[2] | bytes[3]) == 0 ? any : ip_address_from_ipv4(bytes);
}

static enum err decode(const uint8_t *bytes, uint32_t size_bytes, struct ip_address *out)
{
    switch (size_bytes) {
    case IPV4_BYTES:
        *out = from_ipv4(bytes);
        return ERR_OK;
    case IPV6_BYTES:
        memcpy(out, bytes, sizeof(*out));
        return ERR_OK;
    case STORAGE_BYTES:
        if (bytes[1] != 0) {
            return ERR_AFNOSUPPORT;
        }
        if (bytes[0] == WASMEDGE_FAMILY_INET4) {
            *out = from_ipv4(bytes + STORAGE_OFFSET);
            return ERR_OK;
        }
        if (bytes[0] == WASMEDGE_FAMILY_INET6) {
            memcpy(out, bytes + STORAGE_OFFSET, sizeof(*out));
            return ERR_OK;
        }
        return ERR_AFNOSUPPORT;
    default:
        return ERR_INVAL;
    }
}

enum err wasi_address_read(struct guest_addr address, uint32_t port, struct net_endpoint *out)
{
    uint8_t bytes[STORAGE_BYTES];
    struct buffer buffer;
    enum err error = read_buffer(address, &buffer);

    if (error == ERR_OK && (buffer.size_bytes > sizeof(bytes) || port > UINT16_MAX)) {
        error = ERR_INVAL;
    }
    if (error == ERR_OK) {
        error = guest_read(buffer.data, bytes, buffer.size_bytes);
    }
    if (error == ERR_OK) {
        out->port = (uint16_t)port;
        error = decode(bytes, buffer.size_bytes, &out->address);
    }
    return error;
}

enum err wasi_address_check(struct guest_addr address)
{
    struct buffer buffer;
    enum err error = read_buffer(address, &buffer);

    if (error == ERR_OK && buffer.size_bytes < IPV4_BYTES) {
        error = ERR_INVAL;
    }
    return error;
}

enum err wasi_address_write(struct guest_addr address, const struct net_endpoint *endpoint,
                            enum net_family family)
{
    uint8_t storage[STORAGE_OFFSET + IPV6_BYTES] = {0};
    bool is_ipv4 = family == NET_FAMILY_IPV4;
    const uint8_t *bytes =
        is_ipv4 ? ip_address_ipv4_bytes(&endpoint->address) : ip_address_bytes(&endpoint->address);
    uint32_t size_bytes = is_ipv4 ? IPV4_BYTES : IPV6_BYTES;
    struct buffer buffer;
    enum err error = read_buffer(address, &buffer);

    if (error != ERR_OK) {
        return error;
    }
    if (buffer.size_bytes >= STORAGE_BYTES) {
        storage[0] = is_ipv4 ? WASMEDGE_FAMILY_INET4 : WASMEDGE_FAMILY_INET6;
        memcpy(storage + STORAGE_OFFSET, bytes, size_bytes);
        return guest_write(buffer.data, storage, STORAGE_OFFSET + size_bytes);
    }
    if (buffer.size_bytes < size_bytes) {
        return ERR_INVAL;
    }
    return guest_write(buffer.data, bytes, size_bytes);
}
