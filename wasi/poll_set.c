#include "wasi/poll_set.h"

#include "kernel/base/string.h"
#include "kernel/clock.h"
#include "kernel/mem.h"
#include "kernel/wait.h"
#include "wasi/instance.h"
#include "wasi/poll.h"
#include "wasi/types.h"

struct poll_set wasi_poll_set = {.others_first = WASI_POLL_NONE};

/* A subscription in either layout, as far as it matters. */
struct subscription {
    uint64_t userdata;
    uint64_t timeout_ns;
    uint32_t subject;
    uint16_t clock_flags;
    uint8_t tag;
};

/* ---- Marks ----------------------------------------------------------------------------------- */

void wasi_poll_mark(struct wasi_descriptor *descriptor)
{
    struct poll_set *set = &wasi_poll_set;

    if (descriptor->poll_link != NULL || descriptor->poll_first == WASI_POLL_NONE) {
        return;
    }
    descriptor->poll_next_marked = set->marked;
    descriptor->poll_link = &set->marked;
    if (set->marked != NULL) {
        set->marked->poll_link = &descriptor->poll_next_marked;
    }
    set->marked = descriptor;
}

void wasi_poll_unmark(struct wasi_descriptor *descriptor)
{
    if (descriptor->poll_link == NULL) {
        return;
    }
    *descriptor->poll_link = descriptor->poll_next_marked;
    if (descriptor->poll_next_marked != NULL) {
        descriptor->poll_next_marked->poll_link = descriptor->poll_link;
    }
    descriptor->poll_link = NULL;
    descriptor->poll_next_marked = NULL;
}

void wasi_poll_mark_all(struct poll_set *set)
{
    for (uint32_t i = 0; i < set->count; i++) {
        if (set->entries[i].socket != NULL) {
            wasi_poll_mark(set->entries[i].socket);
        }
    }
}

/* ---- Keys ------------------------------------------------------------------------------------ */

/* No record has it: a tag is 8 bits. Such an entry is looked at in every call. */
#define KEY_NEVER UINT64_MAX

/*
 * Only sockets' subscriptions can be passed over when they are unchanged: clocks have
 * deadlines, and another number may have become a socket since.
 */
static void remember_key(struct poll_set *set, uint32_t index)
{
    const struct poll_entry *entry = &set->entries[index];

    set->keys[index].first = entry->userdata;
    set->keys[index].second =
        entry->socket != NULL ? (uint64_t)entry->tag << 32 | entry->subject : KEY_NEVER;
}

/* ---- Lists of entries ------------------------------------------------------------------------ */

static uint32_t *list_head(struct poll_set *set, const struct poll_entry *entry)
{
    return entry->socket != NULL ? &entry->socket->poll_first : &set->others_first;
}

static void unlink_entry(struct poll_set *set, uint32_t index)
{
    struct poll_entry *entry = &set->entries[index];

    if (!entry->is_linked) {
        return;
    }
    if (entry->previous == WASI_POLL_NONE) {
        *list_head(set, entry) = entry->next;
    } else {
        set->entries[entry->previous].next = entry->next;
    }
    if (entry->next != WASI_POLL_NONE) {
        set->entries[entry->next].previous = entry->previous;
    }
    if (entry->socket != NULL && entry->socket->poll_first == WASI_POLL_NONE) {
        wasi_poll_unmark(entry->socket);
    }
    entry->is_linked = false;
    entry->socket = NULL;
    entry->tag = POLL_TAG_STALE;
    set->keys[index].second = KEY_NEVER;
}

/* Into the chain of `socket`, or among the others when that is NULL. */
static void link_entry(struct poll_set *set, uint32_t index, struct wasi_descriptor *socket)
{
    struct poll_entry *entry = &set->entries[index];
    uint32_t *head;

    entry->socket = socket;
    head = list_head(set, entry);
    entry->previous = WASI_POLL_NONE;
    entry->next = *head;
    if (*head != WASI_POLL_NONE) {
        set->entries[*head].previous = index;
    }
    *head = index;
    entry->is_linked = true;
    if (socket != NULL) {
        wasi_poll_mark(socket);
    }
}

/* What named it is read again in the next call, whether the guest changes it or not. */
void wasi_poll_forget(struct wasi_descriptor *descriptor)
{
    while (descriptor->poll_first != WASI_POLL_NONE) {
        uint32_t index = descriptor->poll_first;

        unlink_entry(&wasi_poll_set, index);
        link_entry(&wasi_poll_set, index, NULL);
    }
    wasi_poll_unmark(descriptor);
}

/* ---- Reading the guest's list ---------------------------------------------------------------- */

static enum err grow(struct poll_set *set, uint32_t count)
{
    uint32_t capacity = set->capacity == 0 ? 64 : set->capacity;
    struct poll_entry *entries;
    struct guest_key *keys;

    while (capacity < count) {
        capacity *= 2;
    }
    if (capacity == set->capacity) {
        return ERR_OK;
    }
    entries = heap_resize(set->entries, capacity * sizeof(*entries));
    if (entries == NULL) {
        return ERR_NOMEM;
    }
    set->entries = entries;
    keys = heap_resize(set->keys, capacity * sizeof(*keys));
    if (keys == NULL) {
        return ERR_NOMEM;
    }
    set->keys = keys;
    set->capacity = capacity;
    return ERR_OK;
}

/* The socket that a subscription to a descriptor means now, or NULL. */
static struct wasi_descriptor *subject_socket(uint8_t tag, uint32_t subject)
{
    struct wasi_descriptor *descriptor;

    if (tag == WASI_EVENT_CLOCK) {
        return NULL;
    }
    descriptor = fd_table_get(&wasi_instance.descriptors, subject);
    return descriptor != NULL && descriptor->kind == WASI_KIND_SOCKET ? descriptor : NULL;
}

/* When a clock subscription is due, on the monotonic clock. */
static enum err clock_deadline(const struct subscription *subscription, uint64_t *deadline_ns)
{
    uint64_t now_ns = clock_monotonic_ns();
    uint64_t delay_ns = subscription->timeout_ns;

    if ((subscription->clock_flags & ~WASI_SUBSCRIPTION_ABSTIME_BIT) != 0 ||
        subscription->subject > WASI_CLOCK_THREAD_CPUTIME) {
        return ERR_INVAL;
    }
    if (subscription->subject > WASI_CLOCK_MONOTONIC) {
        return ERR_NOTSUP; /* CPU time stands still while everything sleeps */
    }
    if ((subscription->clock_flags & WASI_SUBSCRIPTION_ABSTIME_BIT) != 0) {
        uint64_t clock_ns =
            subscription->subject == WASI_CLOCK_MONOTONIC ? now_ns : clock_realtime_ns();

        delay_ns = delay_ns > clock_ns ? delay_ns - clock_ns : 0;
    }
    if (__builtin_add_overflow(now_ns, delay_ns, deadline_ns)) {
        *deadline_ns = WAIT_FOREVER;
    }
    return ERR_OK;
}

static void update_entry(struct poll_set *set, uint32_t index,
                         const struct subscription *subscription)
{
    struct poll_entry *entry = &set->entries[index];
    struct wasi_descriptor *socket;

    if (subscription->tag == WASI_EVENT_CLOCK) {
        entry->error = (uint8_t)clock_deadline(subscription, &entry->deadline_ns);
    }
    socket = subject_socket(subscription->tag, subscription->subject);
    if (entry->is_linked && (entry->socket != NULL || socket != NULL)) {
        unlink_entry(set, index);
    }
    entry->userdata = subscription->userdata;
    entry->subject = subscription->subject;
    entry->tag = subscription->tag;
    if (entry->tag > WASI_EVENT_FD_WRITE) {
        entry->tag = WASI_EVENT_CLOCK;
        entry->error = ERR_INVAL;
    }
    if (!entry->is_linked) {
        link_entry(set, index, socket);
    }
    remember_key(set, index);
}

static void decode(const uint8_t *raw, enum wasi_snapshot snapshot, struct subscription *out)
{
    /* Snapshot 0's clock begins with an identifier of 8 bytes. */
    const uint8_t *clock = raw + (snapshot == WASI_SNAPSHOT_UNSTABLE ? 24 : 16);

    memcpy(&out->userdata, raw, sizeof(out->userdata));
    out->tag = raw[8];
    out->clock_flags = 0;
    out->timeout_ns = 0;
    if (out->tag != WASI_EVENT_CLOCK) {
        memcpy(&out->subject, raw + 16, sizeof(out->subject));
        return;
    }
    memcpy(&out->subject, clock, sizeof(out->subject));
    memcpy(&out->timeout_ns, clock + 8, sizeof(out->timeout_ns));
    memcpy(&out->clock_flags, clock + 24, sizeof(out->clock_flags));
}

/* Forgets what is beyond `count`, or makes room for what was not there before. */
static void resize(struct poll_set *set, uint32_t count)
{
    while (set->count > count) {
        set->count--;
        unlink_entry(set, set->count);
    }
    while (set->count < count) {
        set->entries[set->count] = (struct poll_entry){.tag = POLL_TAG_STALE};
        set->keys[set->count].second = KEY_NEVER;
        set->count++;
    }
}

static enum err read_one(struct poll_set *set, uint32_t index)
{
    uint32_t stride_bytes = wasi_subscription_bytes(set->snapshot);
    uint8_t raw[WASI_SUBSCRIPTION0_BYTES];
    struct subscription subscription;
    enum err error = guest_read(guest_offset(set->list, index * stride_bytes), raw, stride_bytes);

    if (error == ERR_OK) {
        decode(raw, set->snapshot, &subscription);
        update_entry(set, index, &subscription);
    }
    return error;
}

/* Those from `first` to before `end`: passes over what is unchanged. */
static enum err read_range(struct poll_set *set, uint32_t first, uint32_t end)
{
    uint32_t stride_bytes = wasi_subscription_bytes(set->snapshot);

    for (uint32_t index = first; index < end; index++) {
        enum err error;

        index += guest_match_keys(guest_offset(set->list, index * stride_bytes), stride_bytes,
                                  set->keys + index, end - index);
        if (index == end) {
            break;
        }
        error = read_one(set, index);
        if (error != ERR_OK) {
            return error;
        }
    }
    return ERR_OK;
}

/* Of the first `count`, those that may have changed. */
static enum err read_written(struct poll_set *set, uint32_t count)
{
    uint32_t stride_bytes = wasi_subscription_bytes(set->snapshot);
    uint32_t size_bytes = count * stride_bytes;
    uint32_t offset = 0;
    uint32_t next;

    for (;;) {
        uint32_t end_offset = guest_take_written(set->list, size_bytes, &offset);
        enum err error;

        if (offset == size_bytes) {
            break;
        }
        error =
            read_range(set, offset / stride_bytes, (end_offset + stride_bytes - 1) / stride_bytes);
        if (error != ERR_OK) {
            return error;
        }
        offset = end_offset;
    }
    for (uint32_t index = set->others_first; index != WASI_POLL_NONE; index = next) {
        enum err error;

        next = set->entries[index].next;
        error = read_one(set, index);
        if (error != ERR_OK) {
            return error;
        }
    }
    return ERR_OK;
}

enum err wasi_poll_set_update(struct poll_set *set, struct guest_addr list, uint32_t count,
                              enum wasi_snapshot snapshot)
{
    uint32_t known_count = 0;
    enum err error = grow(set, count);

    if (error != ERR_OK) {
        return error;
    }
    if (set->is_watched && set->list.value == list.value && set->snapshot == snapshot) {
        known_count = set->count < count ? set->count : count;
    } else {
        set->watched_count = 0;
    }
    set->is_watched = false; /* until all is read */
    set->list = list;
    set->snapshot = (uint8_t)snapshot;
    resize(set, count);
    if (known_count != 0) {
        error = read_written(set, known_count);
    }
    if (error == ERR_OK) {
        error = read_range(set, known_count, count);
    }
    if (error == ERR_OK && count >= POLL_WATCH_MIN) {
        if (set->watched_count < count) {
            guest_watch(list, count * wasi_subscription_bytes(snapshot));
            set->watched_count = count;
        }
        set->is_watched = true;
    }
    return error;
}
