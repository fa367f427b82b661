/* WASI preview 1: poll_oneoff; WasmEdge: epoll_oneoff. */
#include "wasi/poll.h"

#include "kernel/base/string.h"
#include "kernel/clock.h"
#include "kernel/wait.h"
#include "wasi/calls.h"
#include "wasi/errno.h"
#include "wasi/instance.h"
#include "wasi/poll_set.h"
#include "wasi/types.h"

/* Preview 1 witx, $event: small members and the gaps behind them are one word here, no gap stays.
 */
struct event {
    uint64_t userdata;
    uint64_t error_tag; /* 16 bits and 8 */
    uint64_t ready_bytes;
    uint64_t flags; /* 16 bits */
};
_Static_assert(sizeof(struct event) == WASI_EVENT_BYTES, "layout of $event");

#define BATCH_EVENTS 64u

/* Events on their way to the guest, written a batch at a time. */
static struct {
    struct event batch[BATCH_EVENTS];
    uint32_t batch_count;
    uint32_t written_count;
    struct guest_addr target;
} output;

/* The whole output array was checked before, and the memory never shrinks. */
static enum err flush_events(void)
{
    enum err error =
        guest_write(guest_offset(output.target, output.written_count * WASI_EVENT_BYTES),
                    output.batch, output.batch_count * sizeof(output.batch[0]));

    output.written_count += output.batch_count;
    output.batch_count = 0;
    return error;
}

static enum err emit(const struct poll_entry *entry, enum err error, uint64_t ready_bytes,
                     uint16_t flags)
{
    struct event *event;

    if (output.batch_count == BATCH_EVENTS) {
        enum err flush_error = flush_events();

        if (flush_error != ERR_OK) {
            return flush_error;
        }
    }
    event = &output.batch[output.batch_count++];
    *event = (struct event){
        .userdata = entry->userdata,
        .error_tag = wasi_errno(error) | (uint32_t)entry->tag << 16,
        .ready_bytes = ready_bytes,
        .flags = flags,
    };
    return ERR_OK;
}

static bool is_allowed(const struct wasi_descriptor *descriptor, uint8_t tag)
{
    uint32_t rights =
        WASI_RIGHT_POLL_FD_READWRITE_BIT |
        (uint32_t)(tag == WASI_EVENT_FD_READ ? WASI_RIGHT_FD_READ_BIT : WASI_RIGHT_FD_WRITE_BIT);

    return (descriptor->rights_base & rights) == rights;
}

/* ---- Everything but sockets ------------------------------------------------------------------ */

/* Regular files and directories never block (POSIX poll()). */
static enum err emit_file(const struct poll_entry *entry, const struct wasi_descriptor *descriptor)
{
    uint64_t ready_bytes = 0;

    if (entry->tag == WASI_EVENT_FD_READ && descriptor->kind == WASI_KIND_FILE) {
        struct vfs_stat stat;

        if (vfs_stat(descriptor->file.node, &stat) == ERR_OK &&
            stat.size_bytes > descriptor->file.offset_bytes) {
            ready_bytes = stat.size_bytes - descriptor->file.offset_bytes;
        }
    }
    return emit(entry, ERR_OK, ready_bytes, 0);
}

static enum err check_descriptor(const struct poll_entry *entry)
{
    const struct wasi_descriptor *descriptor =
        fd_table_get(&wasi_instance.descriptors, entry->subject);

    if (descriptor == NULL) {
        return emit(entry, ERR_BADF, 0, 0);
    }
    if (descriptor->kind == WASI_KIND_FILE || descriptor->kind == WASI_KIND_DIRECTORY) {
        return emit_file(entry, descriptor);
    }
    if (!is_allowed(descriptor, entry->tag)) {
        return emit(entry, ERR_NOTCAPABLE, 0, 0);
    }
    if (entry->tag == WASI_EVENT_FD_READ && !console_input_ready()) {
        return ERR_OK;
    }
    return emit(entry, ERR_OK, 1, 0);
}

static enum err check_clock(const struct poll_entry *entry, uint64_t now_ns, uint64_t *deadline_ns)
{
    if (entry->error != ERR_OK) {
        return emit(entry, (enum err)entry->error, 0, 0);
    }
    if (entry->deadline_ns <= now_ns) {
        return emit(entry, ERR_OK, 0, 0);
    }
    if (entry->deadline_ns < *deadline_ns) {
        *deadline_ns = entry->deadline_ns;
    }
    return ERR_OK;
}

static enum err collect_others(struct poll_set *set, uint64_t *deadline_ns)
{
    uint64_t now_ns = clock_monotonic_ns();
    enum err error = ERR_OK;

    for (uint32_t index = set->others_first; index != WASI_POLL_NONE && error == ERR_OK;
         index = set->entries[index].next) {
        const struct poll_entry *entry = &set->entries[index];

        error = entry->tag == WASI_EVENT_CLOCK ? check_clock(entry, now_ns, deadline_ns)
                                               : check_descriptor(entry);
    }
    return error;
}

/* ---- Sockets --------------------------------------------------------------------------------- */

#define ALWAYS_READY (NET_EVENT_HANGUP_BIT | NET_EVENT_ERROR_BIT)

static enum err check_socket_entry(const struct poll_entry *entry,
                                   const struct wasi_descriptor *descriptor, uint32_t events)
{
    const struct net_socket *socket = descriptor->socket.socket;
    uint16_t flags = (events & NET_EVENT_HANGUP_BIT) != 0 ? WASI_EVENT_HANGUP_BIT : 0;

    if (!is_allowed(descriptor, entry->tag)) {
        return emit(entry, ERR_NOTCAPABLE, 0, 0);
    }
    if (entry->tag == WASI_EVENT_FD_READ) {
        size_t readable_bytes;

        if ((events & (NET_EVENT_READABLE_BIT | NET_EVENT_PEER_CLOSED_BIT | ALWAYS_READY)) == 0) {
            return ERR_OK;
        }
        readable_bytes = net_socket_readable_bytes(socket);
        if (readable_bytes == 0 && (events & NET_EVENT_PEER_CLOSED_BIT) != 0) {
            flags = WASI_EVENT_HANGUP_BIT;
        }
        return emit(entry, ERR_OK, readable_bytes, flags);
    }
    if ((events & (NET_EVENT_WRITABLE_BIT | ALWAYS_READY)) == 0) {
        return ERR_OK;
    }
    return emit(entry, ERR_OK, net_socket_writable_bytes(socket), flags);
}

/*
 * Looks at the marked sockets. One that has nothing to report leaves the list until the
 * network wakes it; with edges, so does one that has been reported.
 */
static enum err collect_sockets(struct poll_set *set)
{
    struct wasi_descriptor *next;
    enum err error = ERR_OK;

    for (struct wasi_descriptor *descriptor = set->marked; descriptor != NULL && error == ERR_OK;
         descriptor = next) {
        uint32_t events = net_socket_events(descriptor->socket.socket);
        uint32_t before_count = output.written_count + output.batch_count;

        next = descriptor->poll_next_marked;
        for (uint32_t index = descriptor->poll_first; index != WASI_POLL_NONE && error == ERR_OK;
             index = set->entries[index].next) {
            error = check_socket_entry(&set->entries[index], descriptor, events);
        }
        if (set->is_edge_triggered || output.written_count + output.batch_count == before_count) {
            wasi_poll_unmark(descriptor);
        }
    }
    return error;
}

/* Waits until there is at least one event and writes all there are. */
static enum err wait_for_events(struct poll_set *set)
{
    for (;;) {
        uint64_t deadline_ns = WAIT_FOREVER;
        enum err error = collect_others(set, &deadline_ns);

        if (error == ERR_OK) {
            error = collect_sockets(set);
        }
        if (error != ERR_OK) {
            return error;
        }
        if (output.written_count + output.batch_count != 0) {
            return flush_events();
        }
        wasi_wait(deadline_ns);
    }
}

static enum err check_arguments(struct guest_addr in, struct guest_addr out, uint32_t count,
                                struct guest_addr nevents, enum wasi_snapshot snapshot)
{
    uint32_t stride_bytes = wasi_subscription_bytes(snapshot);
    enum err error;

    if (count == 0) {
        return ERR_INVAL;
    }
    error = guest_check(in, (uint64_t)count * stride_bytes);
    if (error == ERR_OK) {
        error = guest_check(out, (uint64_t)count * WASI_EVENT_BYTES);
    }
    if (error == ERR_OK) {
        error = guest_check(nevents, sizeof(uint32_t));
    }
    if (error == ERR_OK && count > POLL_SUBSCRIPTIONS_MAX) {
        error = ERR_INVAL;
    }
    return error;
}

enum err wasi_poll(const struct wasi_poll_request *request)
{
    struct poll_set *set = &wasi_poll_set;
    enum err error = check_arguments(request->subscriptions, request->events, request->count,
                                     request->event_count, request->snapshot);

    if (error != ERR_OK) {
        return error;
    }
    /* What has arrived meanwhile counts, even with a timeout of 0. */
    (void)wait_poll();
    error = wasi_poll_set_update(set, request->subscriptions, request->count, request->snapshot);
    if (error != ERR_OK) {
        return error;
    }
    if (set->is_edge_triggered && !request->is_edge_triggered) {
        wasi_poll_mark_all(set);
    }
    set->is_edge_triggered = request->is_edge_triggered;
    output.batch_count = 0;
    output.written_count = 0;
    output.target = request->events;
    error = wait_for_events(set);
    if (error == ERR_OK) {
        error = guest_write_u32(request->event_count, output.written_count);
    }
    return error;
}

uint32_t wasi_poll_oneoff(uint32_t in, uint32_t out, uint32_t count, uint32_t nevents)
{
    struct wasi_poll_request request = {
        .subscriptions = guest_address(in),
        .events = guest_address(out),
        .count = count,
        .event_count = guest_address(nevents),
        .snapshot = WASI_SNAPSHOT_PREVIEW1,
    };

    return wasi_errno(wasi_poll(&request));
}
