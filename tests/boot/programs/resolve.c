/*
 * Asks WasmEdge's sock_getaddrinfo for the IPv4 addresses of each name given, after the argument
 * "any" for those of both families; prints them.
 */
#include <stdio.h>
#include <string.h>

#include "examples/static-file-server/sockets.h"

#define RESULTS_MAX 4

struct sockaddr_room {
    uint32_t family;
    uint32_t size;
    uint8_t *data;
};

struct addrinfo {
    uint16_t flags;
    uint8_t family;
    uint8_t type;
    uint32_t protocol;
    uint32_t address_size;
    struct sockaddr_room *address;
    char *canonical_name;
    uint32_t canonical_name_size;
    struct addrinfo *next;
};

WASI_IMPORT("sock_getaddrinfo")
uint32_t wasi_sock_getaddrinfo(const char *node, uint32_t node_size, const char *service,
                               uint32_t service_size, const struct addrinfo *hints,
                               struct addrinfo **results, uint32_t max, uint32_t *count);

static void print_address(uint8_t family, const uint8_t *data)
{
    unsigned port = (unsigned)data[0] << 8 | data[1];

    if (family == WASI_INET4) {
        printf(" %u.%u.%u.%u:%u", data[2], data[3], data[4], data[5], port);
        return;
    }
    printf(" [");
    for (int i = 2; i < 18; i += 2) {
        printf("%s%x", i > 2 ? ":" : "", (unsigned)data[i] << 8 | data[i + 1]);
    }
    printf("]:%u", port);
}

int main(int argc, char **argv)
{
    uint8_t family = WASI_INET4;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "any") == 0) {
            family = 0;
            continue;
        }
        static uint8_t data[RESULTS_MAX][26];
        struct sockaddr_room rooms[RESULTS_MAX];
        struct addrinfo list[RESULTS_MAX] = {{0}};
        struct addrinfo hints = {.family = family, .type = WASI_STREAM};
        struct addrinfo *first = list;
        uint32_t count = 0;

        for (int at = 0; at < RESULTS_MAX; at++) {
            rooms[at] = (struct sockaddr_room){0, sizeof data[at], data[at]};
            list[at].address = &rooms[at];
            list[at].next = at + 1 < RESULTS_MAX ? &list[at + 1] : NULL;
        }
        uint32_t error = wasi_sock_getaddrinfo(argv[i], (uint32_t)strlen(argv[i]), "80", 2, &hints,
                                               &first, RESULTS_MAX, &count);
        printf("%s:", argv[i]);
        if (error != 0) {
            printf(" errno %u", error);
        }
        for (uint32_t at = 0; at < count; at++) {
            print_address(list[at].family, data[at]);
        }
        printf("\n");
    }
    return 0;
}
