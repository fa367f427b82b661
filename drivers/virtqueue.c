#include "drivers/virtqueue.h"

#include "drivers/virtio.h"
#include "drivers/virtqueue_chain.h"
#include "kernel/clock.h"

/* virtio 1.2 §2.7.7 and §2.7.9 */
#define AVAILABLE_NO_INTERRUPT_BIT 1u
#define USED_NO_NOTIFY_BIT         1u

#define NO_SLOT 0xffffu

static size_t align_up(size_t value, size_t alignment)
{
    return (value + alignment - 1) & ~(alignment - 1);
}

static size_t pages_for(size_t bytes)
{
    return align_up(bytes, PAGE_BYTES) / PAGE_BYTES;
}

static void clear(void *memory, size_t bytes)
{
    uint64_t *words = memory;

    for (size_t i = 0; i < bytes / sizeof(*words); i++) {
        words[i] = 0;
    }
}

/*
 * Layout: descriptors, then each ring on cache lines of its own, because the device
 * writes the used ring while the driver writes the available ring (virtio 1.2 §2.7.2
 * asks for alignments of 16, 2 and 4).
 */
enum err virtqueue_create(struct virtqueue *queue, struct virtio_device *device, uint16_t index,
                          uint16_t size, uint16_t indirect_segments)
{
    size_t available_offset = (size_t)size * sizeof(struct virtq_desc);
    size_t available_bytes = sizeof(struct virtq_available) + 2u * (size_t)size + 2u;
    size_t used_offset = align_up(available_offset + available_bytes, 64);
    size_t used_bytes =
        sizeof(struct virtq_used) + sizeof(struct virtq_used_element) * (size_t)size + 2u;
    size_t pages = pages_for(used_offset + used_bytes);
    struct phys_addr memory;

    if (size == 0 || size > VIRTQUEUE_SIZE_MAX || (size & (size - 1)) != 0) {
        return ERR_INVAL;
    }
    struct virtqueue_slot *slots = heap_allocate_zeroed(size, sizeof(*slots));
    if (slots == NULL) {
        return ERR_NOMEM;
    }
    if (pages_allocate(pages, &memory) != ERR_OK) {
        heap_free(slots);
        return ERR_NOMEM;
    }
    uint8_t *base = phys_to_virt(memory);
    void *available = base + available_offset;
    void *used = base + used_offset;
    clear(base, pages * PAGE_BYTES);

    *queue = (struct virtqueue){
        .device = device,
        .broken = &device->broken,
        .descriptors = phys_to_virt(memory),
        .available = available,
        .used = used,
        .slots = slots,
        .index = index,
        .size = size,
        .mask = (uint16_t)(size - 1),
        .event_index = virtio_has(device, VIRTIO_F_EVENT_IDX),
        .free_count = size,
    };
    queue->used_event = &queue->available->ring[size];
    void *behind_ring = &queue->used->ring[size];
    queue->avail_event = behind_ring;
    for (uint16_t i = 0; i < size; i++) {
        slots[i].next = (uint16_t)(i + 1 < size ? i + 1 : NO_SLOT);
    }

    if (indirect_segments > 1 && virtio_has(device, VIRTIO_F_INDIRECT_DESC)) {
        size_t table_bytes = (size_t)size * indirect_segments * sizeof(struct virtq_desc);
        /* Indirect tables only buy room in the ring; short of memory, go without. */
        if (pages_allocate(pages_for(table_bytes), &memory) == ERR_OK) {
            queue->indirect = phys_to_virt(memory);
            queue->indirect_segments = indirect_segments;
        }
    }
    virtqueue_disarm(queue);
    return ERR_OK;
}

struct virtqueue_addresses virtqueue_addresses(const struct virtqueue *queue)
{
    return (struct virtqueue_addresses){
        .descriptors = virt_to_phys(queue->descriptors),
        .available = virt_to_phys(queue->available),
        .used = virt_to_phys(queue->used),
    };
}

RARE_CALL uint64_t virtqueue_image_address(const void *data)
{
    return virt_to_phys(data).value;
}

bool virtqueue_submit_readable(struct virtqueue *queue, const void *data, uint32_t length_bytes,
                               void *token)
{
    struct virtqueue_chain chain;

    if (virtqueue_begin(queue, 1, &chain) != ERR_OK) {
        return false;
    }
    virtqueue_add_readable(&chain, data, length_bytes);
    virtqueue_submit(&chain, token);
    return true;
}

bool virtqueue_submit_writable(struct virtqueue *queue, void *data, uint32_t length_bytes,
                               void *token)
{
    struct virtqueue_chain chain;

    if (virtqueue_begin(queue, 1, &chain) != ERR_OK) {
        return false;
    }
    virtqueue_add_writable(&chain, data, length_bytes);
    virtqueue_submit(&chain, token);
    return true;
}

/* virtio 1.2 §2.7.10.1: whether index `event` was passed on the way from `old` to `new`. */
static bool event_passed(uint16_t event, uint16_t new, uint16_t old)
{
    return (uint16_t)(new - event - 1) < (uint16_t)(new - old);
}

void virtqueue_kick(struct virtqueue *queue)
{
    bool wanted;

    if (queue->kicked_index == queue->available_index || queue->device->broken) {
        return;
    }
    /*
     * The new index must be visible before the device's wish is read, or both sides
     * may miss each other (virtio 1.2 §2.7.13.4.1). Pairs with the device's barrier
     * between writing its wish and re-reading the index.
     */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (queue->event_index) {
        uint16_t event = __atomic_load_n(queue->avail_event, __ATOMIC_RELAXED);
        wanted = event_passed(event, queue->available_index, queue->kicked_index);
    } else {
        uint16_t flags = __atomic_load_n(&queue->used->flags, __ATOMIC_RELAXED);
        wanted = (flags & USED_NO_NOTIFY_BIT) == 0;
    }
    queue->kicked_index = queue->available_index;
    if (wanted) {
        queue->device->transport->notify(queue->device, queue->index);
    }
}

bool virtqueue_has_completion(const struct virtqueue *queue)
{
    return __atomic_load_n(&queue->used->index, __ATOMIC_RELAXED) != queue->used_index;
}

bool virtqueue_wait(const struct virtqueue *queue, uint64_t timeout_ns)
{
    uint64_t start_ns = clock_monotonic_ns();

    while (!virtqueue_has_completion(queue)) {
        if (clock_monotonic_ns() - start_ns > timeout_ns) {
            return false;
        }
        __builtin_ia32_pause();
    }
    return true;
}

/* Puts a chain's descriptors back; uses only the driver's own records. */
static void chain_release(struct virtqueue *queue, uint16_t head)
{
    struct virtqueue_slot *slot = &queue->slots[head];

    queue->slots[slot->last].next = queue->free_head;
    queue->free_head = head;
    queue->free_count = (uint16_t)(queue->free_count + slot->count);
    slot->count = 0;
}

bool virtqueue_pop(struct virtqueue *queue, struct virtqueue_completion *out)
{
    /* Pairs with the device's release of the index: elements and data come after it. */
    uint16_t device_index = __atomic_load_n(&queue->used->index, __ATOMIC_ACQUIRE);

    if (device_index == queue->used_index || queue->device->broken) {
        return false;
    }
    if ((uint16_t)(device_index - queue->used_index) > queue->size) {
        virtio_mark_broken(queue->device, "its used index runs ahead of what it was given");
        return false;
    }
    const struct virtq_used_element *element = &queue->used->ring[queue->used_index & queue->mask];
    /* Read once each: the device may change them at any time. */
    uint32_t id = __atomic_load_n(&element->id, __ATOMIC_RELAXED);
    uint32_t length = __atomic_load_n(&element->length, __ATOMIC_RELAXED);
    if (id >= queue->size || queue->slots[id].count == 0) {
        virtio_mark_broken(queue->device, "it returned a buffer that it did not hold");
        return false;
    }
    const struct virtqueue_slot *slot = &queue->slots[id];
    if (slot->writable_bytes == 0) {
        /* Devices report all sorts of lengths for chains that they only read. */
        length = 0;
    } else if (length > slot->writable_bytes) {
        virtio_mark_broken(queue->device, "it claims to have written beyond a buffer");
        return false;
    }
    out->token = slot->token;
    out->length_bytes = length;
    queue->used_index++;
    chain_release(queue, (uint16_t)id);
    return true;
}

/*
 * With EVENT_IDX an armed queue interrupts once, as its used_event is passed; a queue
 * is quiet as long as used_event lies behind, or far ahead.
 */
bool virtqueue_arm(struct virtqueue *queue)
{
    if (queue->event_index) {
        __atomic_store_n(queue->used_event, queue->used_index, __ATOMIC_RELAXED);
    } else {
        __atomic_store_n(&queue->available->flags, 0, __ATOMIC_RELAXED);
    }
    /* The wish must be visible before the ring is looked at again (virtio 1.2 §2.7.14). */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return virtqueue_has_completion(queue);
}

void virtqueue_disarm(struct virtqueue *queue)
{
    if (queue->event_index) {
        uint16_t far = (uint16_t)(queue->used_index + 0x8000u);
        __atomic_store_n(queue->used_event, far, __ATOMIC_RELAXED);
    } else {
        __atomic_store_n(&queue->available->flags, AVAILABLE_NO_INTERRUPT_BIT, __ATOMIC_RELAXED);
    }
}

void *virtqueue_drain(struct virtqueue *queue)
{
    for (uint16_t i = 0; i < queue->size; i++) {
        if (queue->slots[i].count != 0) {
            queue->slots[i].count = 0;
            return queue->slots[i].token;
        }
    }
    return NULL;
}
