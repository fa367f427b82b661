#include "fs/ramfs_node.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"

/*
 * Two structures hold the names: a hash table over all directories, which finds a name, and
 * per directory an array ordered by cookie, which lists it. Cookies only ever grow, so
 * the array stays sorted by appending, a removed entry leaves a gap, and a scan resumes by
 * binary search however many entries came or went.
 */

#define BUCKETS_MIN 64u
#define SLOTS_MIN   8u
/* Cookies 0 and 1 stand for `.` and `..`. */
#define FIRST_COOKIE 2u

enum err ram_names_init(struct ram_fs *fs)
{
    fs->buckets = fs_budget_heap(&fs->budget, BUCKETS_MIN * sizeof(fs->buckets[0]));
    fs->bucket_count = fs->buckets == NULL ? 0 : BUCKETS_MIN;
    return fs->buckets == NULL ? ERR_NOMEM : ERR_OK;
}

/* ---- The hash table ---------------------------------------------------------------------------
 */

static struct ram_entry **bucket_of(const struct ram_fs *fs, uint64_t hash)
{
    return &fs->buckets[hash & (fs->bucket_count - 1)];
}

/* Doubles the table once it holds an entry a bucket. Without memory it only gets slower. */
static void table_grow(struct ram_fs *fs)
{
    if (fs->entry_count < fs->bucket_count) {
        return;
    }
    size_t old_count = fs->bucket_count;
    struct ram_entry **old = fs->buckets;
    struct ram_entry **buckets =
        fs_budget_heap(&fs->budget, 2 * old_count * sizeof(fs->buckets[0]));
    if (buckets == NULL) {
        return;
    }
    fs->buckets = buckets;
    fs->bucket_count = 2 * old_count;
    for (size_t i = 0; i < old_count; i++) {
        struct ram_entry *entry = old[i];
        while (entry != NULL) {
            struct ram_entry *next = entry->hash_next;
            struct ram_entry **bucket = bucket_of(fs, entry->hash);
            entry->hash_next = *bucket;
            *bucket = entry;
            entry = next;
        }
    }
    fs_budget_heap_free(&fs->budget, old, old_count * sizeof(old[0]));
}

static uint64_t name_hash(const struct ram_node *directory, struct vfs_name name)
{
    return siphash(&directory->fs->key, directory->inode, name.bytes, name.size_bytes);
}

struct ram_entry *ram_names_find(const struct ram_node *directory, struct vfs_name name)
{
    uint64_t hash = name_hash(directory, name);
    struct ram_entry *entry = *bucket_of(directory->fs, hash);
    while (entry != NULL && (entry->hash != hash || entry->directory != directory ||
                             entry->name_bytes != name.size_bytes ||
                             memcmp(entry->name, name.bytes, name.size_bytes) != 0)) {
        entry = entry->hash_next;
    }
    return entry;
}

static void table_remove(struct ram_entry *entry)
{
    struct ram_fs *fs = entry->directory->fs;
    struct ram_entry **link = bucket_of(fs, entry->hash);
    while (*link != entry) {
        link = &(*link)->hash_next;
    }
    *link = entry->hash_next;
    fs->entry_count--;
}

/* ---- The order --------------------------------------------------------------------------------
 */

/* The index of the first slot whose cookie is at least `cookie`. */
static uint32_t slot_search(const struct ram_directory *directory, uint64_t cookie)
{
    uint32_t low = 0;
    uint32_t high = directory->slot_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (directory->slots[middle].cookie < cookie) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Closes the gaps that removed entries left. */
static void slots_compact(struct ram_directory *directory)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < directory->slot_count; i++) {
        if (directory->slots[i].entry != NULL) {
            directory->slots[kept++] = directory->slots[i];
        }
    }
    directory->slot_count = kept;
}

static enum err slots_make_room(struct ram_node *node)
{
    struct ram_directory *directory = &node->directory;
    if (directory->slot_count < directory->slot_capacity) {
        return ERR_OK;
    }
    if (directory->slot_capacity > UINT32_MAX / 2) {
        return ERR_NOSPC;
    }
    size_t old_bytes = directory->slot_capacity * sizeof(directory->slots[0]);
    uint32_t capacity = directory->slot_capacity == 0 ? SLOTS_MIN : 2 * directory->slot_capacity;
    struct ram_slot *slots = fs_budget_heap_resize(&node->fs->budget, directory->slots, old_bytes,
                                                   capacity * sizeof(directory->slots[0]));
    if (slots == NULL) {
        return ERR_NOSPC;
    }
    directory->slots = slots;
    directory->slot_capacity = capacity;
    return ERR_OK;
}

static void slots_remove(struct ram_directory *directory, uint64_t cookie)
{
    uint32_t index = slot_search(directory, cookie);
    ASSERT(index < directory->slot_count);
    directory->slots[index].entry = NULL;
    directory->entry_count--;
    /* Compacting when half is gaps keeps the cost of a removal constant on average. */
    if (directory->slot_count >= SLOTS_MIN && directory->slot_count / 2 >= directory->entry_count) {
        slots_compact(directory);
    }
}

struct ram_entry *ram_names_at(const struct ram_node *node, uint64_t cookie)
{
    const struct ram_directory *directory = &node->directory;
    for (uint32_t i = slot_search(directory, cookie); i < directory->slot_count; i++) {
        if (directory->slots[i].entry != NULL) {
            return directory->slots[i].entry;
        }
    }
    return NULL;
}

/* ---- Both -------------------------------------------------------------------------------------
 */

enum err ram_names_add(struct ram_node *directory, struct vfs_name name, struct ram_node *node)
{
    struct ram_fs *fs = directory->fs;
    enum err err = slots_make_room(directory);
    if (err != ERR_OK) {
        return err;
    }
    struct ram_entry *entry = fs_budget_heap(&fs->budget, sizeof(*entry) + name.size_bytes);
    if (entry == NULL) {
        return ERR_NOSPC;
    }
    table_grow(fs);
    if (directory->directory.next_cookie == 0) {
        directory->directory.next_cookie = FIRST_COOKIE;
    }
    entry->directory = directory;
    entry->node = node;
    entry->cookie = directory->directory.next_cookie++;
    entry->hash = name_hash(directory, name);
    entry->name_bytes = (uint8_t)name.size_bytes;
    memcpy(entry->name, name.bytes, name.size_bytes);

    struct ram_entry **bucket = bucket_of(fs, entry->hash);
    entry->hash_next = *bucket;
    *bucket = entry;
    fs->entry_count++;
    struct ram_slot *slot = &directory->directory.slots[directory->directory.slot_count++];
    slot->cookie = entry->cookie;
    slot->entry = entry;
    directory->directory.entry_count++;
    return ERR_OK;
}

void ram_names_remove(struct ram_entry *entry)
{
    struct fs_budget *budget = &entry->directory->fs->budget;
    table_remove(entry);
    slots_remove(&entry->directory->directory, entry->cookie);
    fs_budget_heap_free(budget, entry, sizeof(*entry) + entry->name_bytes);
}

void ram_names_destroy_directory(struct ram_node *node)
{
    struct ram_directory *directory = &node->directory;
    fs_budget_heap_free(&node->fs->budget, directory->slots,
                        directory->slot_capacity * sizeof(directory->slots[0]));
    directory->slots = NULL;
    directory->slot_count = 0;
    directory->slot_capacity = 0;
}
