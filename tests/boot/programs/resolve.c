/* Asks WasmEdge's sock_getaddrinfo for the IPv4 addresses of each name given; prints them. */
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

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        static uint8_t data[RESULTS_MAX][26];
        struct sockaddr_room rooms[RESULTS_MAX];
        struct addrinfo list[RESULTS_MAX] = {{0}};
        struct addrinfo hints = {.family = WASI_INET4, .type = WASI_STREAM};
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
            const uint8_t *b = data[at];
            printf(" %u.%u.%u.%u:%u", b[2], b[3], b[4], b[5], b[0] << 8 | b[1]);
        }
        printf("\n");
    }
    return 0;
}
