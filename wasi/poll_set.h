/*
 * The subscriptions of poll_oneoff, remembered from one call to the next.
 *
 * poll(2)'s interface hands the whole list over each time, but most programs hand over nearly
 * the same list. So the set keeps the last one and only looks at what differs:
 * an entry that is unchanged keeps its place in its socket's chain, and sockets that
 * nothing happened to since they were last found not ready are not looked at. A call costs
 * a comparison for each subscription of a short list; of a long one in the same place as before
 * only for those in pages that the guest has written to since (docs/decisions/0015). Beyond that
 * there is work only for the sockets that are marked: woken by the network, newly subscribed, or
 * ready the last time.
 *
 *     entries[]    by position in the guest's list
 *     sockets      wasi_descriptor.poll_first -> entry -> entry ...      (by index)
 *     others       clocks, console, files, bad descriptors: looked at every time
 *     marked       descriptors that may be ready
 *
 * Memory: two arrays that grow to the longest list ever seen and are reused. Normal kernel
 * context; wasi_poll_mark also from the stack's wake hook.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kernel/base/err.h"
#include "wasi/descriptor.h"
#include "wasi/filestat.h"
#include "wasi/guest_memory.h"
#include "wasi/types.h"

struct poll_entry {
    uint64_t userdata;
    uint64_t deadline_ns;           /* clocks: monotonic */
    struct wasi_descriptor *socket; /* whose chain this entry is in, or NULL */
    uint32_t next;                  /* in the chain or among the others; WASI_POLL_NONE */
    uint32_t previous;              /* WASI_POLL_NONE: first */
    uint32_t subject;               /* descriptor or clock */
    uint8_t tag;                    /* $eventtype, or POLL_TAG_STALE */
    uint8_t error;                  /* enum err: known when the list was read */
    bool is_linked;
};

/* Matches no subscription, so that the entry is read again. */
#define POLL_TAG_STALE 0xffu

struct poll_set {
    struct poll_entry *entries;
    struct guest_key *keys; /* of the same positions: what an unchanged subscription looks like */
    uint32_t count;
    uint32_t capacity;
    uint32_t others_first;
    bool is_edge_triggered; /* how the last call was made */
    /*
     * Where the list was. While is_watched, the entries are what the guest's list held when its
     * pages were last taken as written, but for those among the others.
     */
    bool is_watched;
    uint8_t snapshot; /* enum wasi_snapshot */
    struct guest_addr list;
    uint32_t watched_count; /* subscriptions in pages that are prepared */
    struct wasi_descriptor *marked;
};

extern struct poll_set wasi_poll_set;

/* Lists from here on are watched: in a shorter one, some page is nearly always written to. */
#define POLL_WATCH_MIN 256u

/* The most subscriptions that one call may have: two for each possible descriptor. */
#define POLL_SUBSCRIPTIONS_MAX (2u * 262144u)

/* A subscription's size in the guest's list: the two snapshots differ. */
static inline uint32_t wasi_subscription_bytes(enum wasi_snapshot snapshot)
{
    return snapshot == WASI_SNAPSHOT_UNSTABLE ? WASI_SUBSCRIPTION0_BYTES : WASI_SUBSCRIPTION_BYTES;
}

/*
 * Brings the set up to date with the guest's list of `count`, whose memory has been checked.
 * ERR_NOMEM.
 */
enum err wasi_poll_set_update(struct poll_set *set, struct guest_addr list, uint32_t count,
                              enum wasi_snapshot snapshot) WARN_UNUSED;
/* Takes a descriptor out of the marked list. */
void wasi_poll_unmark(struct wasi_descriptor *descriptor);
/* Marks every socket that has subscriptions. */
void wasi_poll_mark_all(struct poll_set *set);
