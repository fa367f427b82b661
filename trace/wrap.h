/*
 * The symbols that ld --wrap (trace/wrap.list) redirects: callers of X reach __wrap_X, and
 * __real_X is X. Each has the prototype of its original; what is counted stands in
 * stats.h. Context as the original's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drivers/blockdev.h"
#include "drivers/netdev.h"
#include "drivers/p9_channel.h"
#include "drivers/virtqueue.h"
#include "kernel/config.h"
#include "kernel/console.h"
#include "kernel/pages.h"
#include "kernel/base/wasm_abi.h"
#include "net/loopback.h"
#include "net/net.h"

#define WRAPPED(result, name, ...)                                                                 \
    result __real_##name(__VA_ARGS__);                                                             \
    result __wrap_##name(__VA_ARGS__)

/* trace.c */
WRAPPED(const struct config *, config_read, const char *boot_line, size_t boot_line_bytes);
WRAPPED(_Noreturn void, machine_exit, uint32_t code);
/* net.c, disk.c */
WRAPPED(struct netdev *, drivers_network_device, void);
WRAPPED(enum err, net_stack_create, const struct net_hooks *hooks, struct netdev *device,
        const struct net_config *config, struct net_stack **out);
WRAPPED(void, loopback_transmit, struct net_stack *stack, struct net_packet *packet);
WRAPPED(struct blockdev *, drivers_block_device, size_t index);
/* mount.c */
WRAPPED(struct p9_channel *, drivers_p9_channel, size_t index);
/* stats.c */
WRAPPED(void, console_write, enum console_stream stream, const void *data, size_t size_bytes);
WRAPPED(void, uart_write, const void *data, size_t size_bytes);
WRAPPED(void, apic_timer_set, uint64_t at_ns);
WRAPPED(void, clock_add_halted_ns, uint64_t ns);
WRAPPED(enum err, virtqueue_create, struct virtqueue *queue, struct virtio_device *device,
        uint16_t index, uint16_t size, uint16_t indirect_segments);
/* memory.c */
WRAPPED(enum err, pages_allocate, size_t count, struct phys_addr *out);
WRAPPED(enum err, pages_allocate_large, struct phys_addr *out);
WRAPPED(enum err, pages_allocate_aligned, size_t count, size_t align, struct phys_addr *out);
WRAPPED(enum err, pages_reserve, size_t count);
WRAPPED(uint64_t, wasm_runtime_memory_grow, struct wasm_memory *memory, uint64_t delta_pages);
