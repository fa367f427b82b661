#include "net/dhcp_message.h"

#include "kernel/base/string.h"

#define DHCP_MAGIC            0x63825363u
#define DHCP_OPERATION_ASK    1u
#define DHCP_OPERATION_ANSWER 2u
#define DHCP_ETHERNET         1u

enum dhcp_option {
    OPTION_PAD = 0,
    OPTION_MASK = 1,
    OPTION_ROUTER = 3,
    OPTION_DNS = 6,
    OPTION_HOSTNAME = 12,
    OPTION_MTU = 26,
    OPTION_REQUESTED = 50,
    OPTION_LEASE = 51,
    OPTION_OVERLOAD = 52,
    OPTION_TYPE = 53,
    OPTION_SERVER = 54,
    OPTION_PARAMETERS = 55,
    OPTION_MESSAGE_SIZE = 57,
    OPTION_RENEW = 58,
    OPTION_REBIND = 59,
    OPTION_CLIENT = 61,
    OPTION_END = 255,
};

static uint8_t *put_option(uint8_t *at, enum dhcp_option option, const void *data, uint8_t length)
{
    at[0] = (uint8_t)option;
    at[1] = length;
    memcpy(at + 2, data, length);
    return at + 2 + length;
}

static bool is_zero4(const uint8_t bytes[4])
{
    return (bytes[0] | bytes[1] | bytes[2] | bytes[3]) == 0;
}

size_t dhcp_message_build(const struct dhcp_request *request, uint8_t *out)
{
    static const uint8_t parameters[] = {OPTION_MASK,  OPTION_ROUTER, OPTION_DNS,   OPTION_MTU,
                                         OPTION_LEASE, OPTION_RENEW,  OPTION_REBIND};
    struct dhcp_message *message = (struct dhcp_message *)out;
    uint8_t type = (uint8_t)request->type;
    uint8_t client[7] = {DHCP_ETHERNET};
    struct be16 size = be16_make(1500);

    memset(out, 0, DHCP_MESSAGE_BYTES_MAX);
    message->operation = DHCP_OPERATION_ASK;
    message->hardware_type = DHCP_ETHERNET;
    message->hardware_length = sizeof(request->hardware);
    message->transaction = be32_make(request->transaction);
    message->seconds = be16_make(request->seconds);
    memcpy(message->client_address, request->client_address, 4);
    memcpy(message->client_hardware, request->hardware, sizeof(request->hardware));
    message->magic = be32_make(DHCP_MAGIC);

    uint8_t *at = out + sizeof(*message);
    at = put_option(at, OPTION_TYPE, &type, 1);
    memcpy(client + 1, request->hardware, sizeof(request->hardware));
    at = put_option(at, OPTION_CLIENT, client, sizeof(client));
    if (!is_zero4(request->requested)) {
        at = put_option(at, OPTION_REQUESTED, request->requested, 4);
    }
    if (!is_zero4(request->server)) {
        at = put_option(at, OPTION_SERVER, request->server, 4);
    }
    if (request->type != DHCP_DECLINE && request->type != DHCP_RELEASE) {
        at = put_option(at, OPTION_MESSAGE_SIZE, &size, sizeof(size));
        at = put_option(at, OPTION_PARAMETERS, parameters, sizeof(parameters));
        if (request->hostname != NULL && request->hostname[0] != '\0') {
            at = put_option(at, OPTION_HOSTNAME, request->hostname,
                            (uint8_t)strnlen(request->hostname, DHCP_HOSTNAME_BYTES - 1));
        }
    }
    *at++ = OPTION_END;
    /* RFC 1542 §2.1: BOOTP's 300 bytes, which some relays still insist on. */
    size_t length = (size_t)(at - out);
    return length < 300 ? 300 : length;
}

static uint32_t read32(const uint8_t *data)
{
    struct be32 field;
    memcpy(&field, data, sizeof(field));
    return be32_get(field);
}

/* 33 where the mask has holes (RFC 950 allowed them, nobody routes by them). */
static uint8_t prefix_of_mask(uint32_t mask)
{
    uint32_t inverse = ~mask;
    if ((inverse & (inverse + 1)) != 0) {
        return 33;
    }
    return (uint8_t)(mask == 0 ? 0 : 32 - __builtin_ctz(mask));
}

static void take_option(uint8_t option, const uint8_t *data, uint8_t length,
                        struct dhcp_reply *reply, uint8_t *overload)
{
    switch (option) {
    case OPTION_MASK:
        if (length == 4) {
            reply->prefix_length = prefix_of_mask(read32(data));
        }
        break;
    case OPTION_ROUTER:
        if (length >= 4) {
            memcpy(reply->router, data, 4);
        }
        break;
    case OPTION_DNS:
        for (uint8_t at = 0; length - at >= 4 && reply->dns_count < DHCP_DNS_SERVERS_MAX; at += 4) {
            memcpy(reply->dns[reply->dns_count++], data + at, 4);
        }
        break;
    case OPTION_MTU:
        if (length == 2) {
            reply->mtu_bytes = (uint16_t)(data[0] << 8 | data[1]);
        }
        break;
    case OPTION_LEASE:
        if (length == 4) {
            reply->lease_s = read32(data);
        }
        break;
    case OPTION_RENEW:
        if (length == 4) {
            reply->renew_s = read32(data);
        }
        break;
    case OPTION_REBIND:
        if (length == 4) {
            reply->rebind_s = read32(data);
        }
        break;
    case OPTION_OVERLOAD:
        if (length == 1) {
            *overload = data[0];
        }
        break;
    case OPTION_TYPE:
        if (length == 1 && data[0] <= DHCP_RELEASE) {
            reply->type = (enum dhcp_type)data[0];
        }
        break;
    case OPTION_SERVER:
        if (length == 4) {
            memcpy(reply->server, data, 4);
        }
        break;
    default:
        break;
    }
}

/* False when an option runs over the end of its field. */
static bool take_options(const uint8_t *data, size_t length, struct dhcp_reply *reply,
                         uint8_t *overload)
{
    size_t at = 0;
    while (at < length && data[at] != OPTION_END) {
        if (data[at] == OPTION_PAD) {
            at++;
            continue;
        }
        if (length - at < 2 || data[at + 1] > length - at - 2) {
            return false;
        }
        take_option(data[at], data + at + 2, data[at + 1], reply, overload);
        at += 2u + data[at + 1];
    }
    return true;
}

/* Without a mask, the address class decides as it did before RFC 950. */
static uint8_t prefix_of_class(const uint8_t address[4])
{
    if (address[0] < 128) {
        return 8;
    }
    return address[0] < 192 ? 16 : 24;
}

static bool is_host_address(const uint8_t address[4])
{
    return address[0] != 0 && address[0] != 127 && address[0] < 224;
}

bool dhcp_message_parse(const uint8_t *data, size_t length, uint32_t transaction,
                        const uint8_t hardware[6], struct dhcp_reply *out)
{
    const struct dhcp_message *message = (const struct dhcp_message *)data;
    uint8_t overload = 0;
    uint8_t ignored = 0;

    if (length < sizeof(*message) || message->operation != DHCP_OPERATION_ANSWER ||
        message->hardware_type != DHCP_ETHERNET || message->hardware_length != 6 ||
        be32_get(message->transaction) != transaction ||
        memcmp(message->client_hardware, hardware, 6) != 0 ||
        be32_get(message->magic) != DHCP_MAGIC) {
        return false;
    }

    *out = (struct dhcp_reply){.prefix_length = 33};
    if (!take_options(data + sizeof(*message), length - sizeof(*message), out, &overload)) {
        return false;
    }
    /* RFC 2131 §4.1: file first, then the server name. */
    if ((overload & 1) != 0 && !take_options(message->file, sizeof(message->file), out, &ignored)) {
        return false;
    }
    if ((overload & 2) != 0 &&
        !take_options(message->server_name, sizeof(message->server_name), out, &ignored)) {
        return false;
    }
    memcpy(out->address, message->your_address, sizeof(out->address));
    if (out->prefix_length > 32) {
        out->prefix_length = prefix_of_class(out->address);
    }
    switch ((int)out->type) {
    case DHCP_OFFER:
    case DHCP_ACK:
        return is_host_address(out->address);
    case DHCP_NAK:
        return true;
    default:
        return false;
    }
}
