/*
 * WAMR's socket extension (wasi_socket_ext.h): the same module and many of the same names as
 * WasmEdge's, other signatures and structures. imports.def tells them apart.
 *
 * Options come as pairs of functions, sock_get_NAME(fd, *value) and sock_set_NAME(fd, value), so
 * they are declared and defined from one list. Context as calls.h.
 */
#pragma once

#include <stdint.h>

/* X(name, bytes of the value in memory, enum net_socket_option) */
#define WAMR_OPTIONS(X)                                                                            \
    X(broadcast, 1, NET_OPTION_BROADCAST)                                                          \
    X(keep_alive, 1, NET_OPTION_KEEP_ALIVE)                                                        \
    X(reuse_addr, 1, NET_OPTION_REUSE_ADDRESS)                                                     \
    X(recv_buf_size, 4, NET_OPTION_RECEIVE_BUFFER)                                                 \
    X(send_buf_size, 4, NET_OPTION_SEND_BUFFER)                                                    \
    X(tcp_keep_idle, 4, NET_OPTION_KEEP_IDLE)                                                      \
    X(tcp_keep_intvl, 4, NET_OPTION_KEEP_INTERVAL)                                                 \
    X(tcp_no_delay, 1, NET_OPTION_NO_DELAY)                                                        \
    X(ip_ttl, 1, NET_OPTION_HOP_LIMIT)                                                             \
    X(ipv6_only, 1, NET_OPTION_IPV6_ONLY)

/* Options that Wafer does not have: both functions answer ENOTSUP. */
#define WAMR_MISSING_OPTIONS(X)                                                                    \
    X(reuse_port)                                                                                  \
    X(tcp_fastopen_connect)                                                                        \
    X(tcp_quick_ack)                                                                               \
    X(ip_multicast_ttl)

#define WAMR_DECLARE(name, bytes, option)                                                          \
    uint32_t wasi_wamr_sock_get_##name(uint32_t fd, uint32_t out);                                 \
    uint32_t wasi_wamr_sock_set_##name(uint32_t fd, uint32_t value);
WAMR_OPTIONS(WAMR_DECLARE)
#undef WAMR_DECLARE
#define WAMR_DECLARE_MISSING(name)                                                                 \
    uint32_t wasi_wamr_sock_get_##name(uint32_t fd, uint32_t out);                                 \
    uint32_t wasi_wamr_sock_set_##name(uint32_t fd, uint32_t value);
WAMR_MISSING_OPTIONS(WAMR_DECLARE_MISSING)
#undef WAMR_DECLARE_MISSING

uint32_t wasi_wamr_sock_open(uint32_t pool, uint32_t family, uint32_t type, uint32_t out);
uint32_t wasi_wamr_sock_bind(uint32_t fd, uint32_t address);
uint32_t wasi_wamr_sock_connect(uint32_t fd, uint32_t address);
uint32_t wasi_wamr_sock_send_to(uint32_t fd, uint32_t iovs, uint32_t iov_count, uint32_t flags,
                                uint32_t address, uint32_t nwritten);
uint32_t wasi_wamr_sock_recv_from(uint32_t fd, uint32_t iovs, uint32_t iov_count, uint32_t flags,
                                  uint32_t address, uint32_t nread);
uint32_t wasi_wamr_sock_addr_local(uint32_t fd, uint32_t address);
uint32_t wasi_wamr_sock_addr_remote(uint32_t fd, uint32_t address);
uint32_t wasi_wamr_sock_addr_resolve(uint32_t host, uint32_t service, uint32_t hints,
                                     uint32_t results, uint32_t result_room, uint32_t total);
uint32_t wasi_wamr_sock_get_linger(uint32_t fd, uint32_t is_on, uint32_t seconds);
uint32_t wasi_wamr_sock_set_linger(uint32_t fd, uint32_t is_on, uint32_t seconds);
uint32_t wasi_wamr_sock_get_recv_timeout(uint32_t fd, uint32_t out);
uint32_t wasi_wamr_sock_set_recv_timeout(uint32_t fd, uint64_t timeout_us);
uint32_t wasi_wamr_sock_get_send_timeout(uint32_t fd, uint32_t out);
uint32_t wasi_wamr_sock_set_send_timeout(uint32_t fd, uint64_t timeout_us);
uint32_t wasi_wamr_sock_ip_multicast_loop(uint32_t fd, uint32_t is_ipv6, uint32_t value);
uint32_t wasi_wamr_sock_ip_membership(uint32_t fd, uint32_t request, uint32_t is_ipv6);
