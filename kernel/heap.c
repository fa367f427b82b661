#include "kernel/mem.h"

#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "kernel/pages.h"

/*
 * Every block lies in a slab: eight pages at a 32 KiB boundary whose first bytes say
 * what is in it, so that free finds the header by rounding down. A small block is one
 * of many equal ones; a large block is alone, behind the same header, on as many pages
 * as it needs.
 */
#define SLAB_PAGES        8u
#define SLAB_BYTES        (SLAB_PAGES * PAGE_BYTES)
#define SLAB_HEADER_BYTES 64u
#define SLAB_MAGIC        0x57534c4142u
#define LARGE_CLASS       UINT16_MAX

static const uint16_t class_bytes[] = {
    16,  32,  48,  64,  80,  96,  112,  128,  160,  192,  224,  256,  320,
    384, 448, 512, 640, 768, 896, 1024, 1280, 1536, 2048, 3264, 4096, 6528,
};
#define CLASS_COUNT     (sizeof(class_bytes) / sizeof(class_bytes[0]))
#define SMALL_MAX_BYTES 6528u

struct free_block {
    struct free_block *next;
};

struct slab {
    uint64_t magic;
    uint16_t size_class;
    uint16_t used_count;
    uint16_t fresh; /* blocks from here on were never handed out */
    uint16_t capacity;
    size_t page_count; /* of a large block */
    struct free_block *free;
    struct slab *next; /* of the class's slabs with room */
    struct slab *previous;
};
_Static_assert(sizeof(struct slab) <= SLAB_HEADER_BYTES, "blocks start behind the header");

static struct slab *slabs_with_room[CLASS_COUNT];

static size_t class_of(size_t size_bytes)
{
    size_t low = 0;
    size_t high = CLASS_COUNT - 1;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (class_bytes[middle] >= size_bytes) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

static void room_insert(struct slab *slab)
{
    struct slab **list = &slabs_with_room[slab->size_class];
    slab->previous = NULL;
    slab->next = *list;
    if (*list != NULL) {
        (*list)->previous = slab;
    }
    *list = slab;
}

static void room_remove(struct slab *slab)
{
    if (slab->previous != NULL) {
        slab->previous->next = slab->next;
    } else {
        slabs_with_room[slab->size_class] = slab->next;
    }
    if (slab->next != NULL) {
        slab->next->previous = slab->previous;
    }
}

static struct slab *slab_create(size_t page_count, uint16_t size_class)
{
    struct phys_addr address;
    if (pages_allocate_aligned(page_count, SLAB_PAGES, &address) != ERR_OK) {
        return NULL;
    }
    struct slab *slab = phys_to_virt(address);
    *slab = (struct slab){.magic = SLAB_MAGIC, .size_class = size_class, .page_count = page_count};
    return slab;
}

static struct slab *slab_of(void *block)
{
    struct slab *slab = (struct slab *)((uintptr_t)block & ~(uintptr_t)(SLAB_BYTES - 1));
    ASSERT(slab->magic == SLAB_MAGIC);
    return slab;
}

static size_t block_bytes(const struct slab *slab)
{
    return slab->size_class == LARGE_CLASS ? slab->page_count * PAGE_BYTES - SLAB_HEADER_BYTES
                                           : class_bytes[slab->size_class];
}

static void *allocate_small(size_t size_class)
{
    struct slab *slab = slabs_with_room[size_class];
    if (slab == NULL) {
        slab = slab_create(SLAB_PAGES, (uint16_t)size_class);
        if (slab == NULL) {
            return NULL;
        }
        slab->capacity = (uint16_t)((SLAB_BYTES - SLAB_HEADER_BYTES) / class_bytes[size_class]);
        room_insert(slab);
    }
    void *block = slab->free;
    if (block != NULL) {
        slab->free = slab->free->next;
    } else {
        block = (char *)slab + SLAB_HEADER_BYTES + (size_t)slab->fresh * class_bytes[size_class];
        slab->fresh++;
    }
    slab->used_count++;
    if (slab->used_count == slab->capacity) {
        room_remove(slab);
    }
    return block;
}

void *heap_allocate(size_t size_bytes)
{
    if (size_bytes == 0) {
        return NULL;
    }
    if (size_bytes <= SMALL_MAX_BYTES) {
        return allocate_small(class_of(size_bytes));
    }
    size_t bytes;
    if (__builtin_add_overflow(size_bytes, SLAB_HEADER_BYTES + PAGE_BYTES - 1, &bytes)) {
        return NULL;
    }
    struct slab *slab = slab_create(bytes / PAGE_BYTES, LARGE_CLASS);
    return slab == NULL ? NULL : (char *)slab + SLAB_HEADER_BYTES;
}

void *heap_allocate_zeroed(size_t count, size_t size_bytes)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size_bytes, &bytes)) {
        return NULL;
    }
    void *block = heap_allocate(bytes);
    if (block != NULL) {
        memset(block, 0, bytes);
    }
    return block;
}

void *heap_resize(void *block, size_t size_bytes)
{
    if (block == NULL) {
        return heap_allocate(size_bytes);
    }
    size_t held = block_bytes(slab_of(block));
    /* Shrinking in place keeps at most three quarters unused. */
    if (size_bytes <= held && size_bytes >= held / 4) {
        return block;
    }
    void *moved = heap_allocate(size_bytes);
    if (moved == NULL) {
        return size_bytes != 0 && size_bytes <= held ? block : NULL;
    }
    memcpy(moved, block, size_bytes < held ? size_bytes : held);
    heap_free(block);
    return moved;
}

void heap_free(void *block)
{
    if (block == NULL) {
        return;
    }
    struct slab *slab = slab_of(block);
    if (slab->size_class == LARGE_CLASS) {
        slab->magic = 0;
        pages_free(virt_to_phys(slab), slab->page_count);
        return;
    }
    ASSERT(slab->used_count != 0);
    struct free_block *freed = block;
    freed->next = slab->free;
    slab->free = freed;
    if (slab->used_count == slab->capacity) {
        room_insert(slab);
    }
    slab->used_count--;
    /* The last slab of a class stays, so that one block back and forth costs nothing. */
    if (slab->used_count == 0 && (slab->next != NULL || slab->previous != NULL)) {
        room_remove(slab);
        slab->magic = 0;
        pages_free(virt_to_phys(slab), SLAB_PAGES);
    }
}
