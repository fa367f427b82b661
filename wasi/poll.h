/*
 * poll_oneoff for all its callers, and what other files of wasi/ tell it: descriptors go,
 * and sockets wake up, while subscriptions are remembered from call to call. Normal
 * kernel context; wasi_poll_mark also while the stack runs.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "wasi/descriptor.h"
#include "wasi/filestat.h"
#include "wasi/guest_memory.h"

struct wasi_poll_request {
    struct guest_addr subscriptions;
    struct guest_addr events;
    uint32_t count;
    struct guest_addr event_count; /* out: $size */
    enum wasi_snapshot snapshot;   /* layout of the subscriptions */
    bool is_edge_triggered;
};

enum err wasi_poll(const struct wasi_poll_request *request) WARN_UNUSED;

/* The descriptor is about to close or change its number. */
void wasi_poll_forget(struct wasi_descriptor *descriptor);
/* Its readiness may have changed. Sets links only. */
void wasi_poll_mark(struct wasi_descriptor *descriptor);
