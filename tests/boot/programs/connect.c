/* Connects to the IPv4 address and port given, over WasmEdge sockets; prints the WASI errno. */
#include <stdio.h>
#include <stdlib.h>

#include "examples/static-file-server/sockets.h"

WASI_IMPORT("sock_connect")
uint32_t wasi_sock_connect(uint32_t fd, const struct wasi_address *address, uint32_t port);

int main(int argc, char **argv)
{
    unsigned parts[4];
    if (argc != 3 ||
        sscanf(argv[1], "%u.%u.%u.%u", &parts[0], &parts[1], &parts[2], &parts[3]) != 4) {
        return 2;
    }
    uint8_t bytes[4];
    for (int i = 0; i < 4; i++) {
        bytes[i] = (uint8_t)parts[i];
    }
    struct wasi_address address = {bytes, sizeof bytes};
    uint32_t fd;
    uint32_t error = wasi_sock_open(WASI_INET4, WASI_STREAM, &fd);
    if (error == 0) {
        error = wasi_sock_connect(fd, &address, (uint32_t)atoi(argv[2]));
    }
    printf("errno %u\n", error);
    return 0;
}
