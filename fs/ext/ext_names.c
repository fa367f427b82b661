#include "fs/ext/ext_node.h"
#include "kernel/base/string.h"
#include "kernel/mem.h"

/*
 * A hash table from names to places, in memory only, built when a directory is first searched.
 * The directory on the disk stays the plain list that ext2 knows. The table is a help, not the
 * truth: every hit is compared with the entry itself, and when memory for the table is
 * short the directory is searched entry by entry.
 */

#define SLOTS_MIN     64u
#define PLACE_REMOVED UINT32_MAX

static uint32_t name_hash(const struct ext_node *directory, struct vfs_name name)
{
    return (uint32_t)siphash(&directory->volume->key, directory->number, name.bytes,
                             name.size_bytes);
}

void ext_names_destroy(struct ext_node *directory)
{
    heap_free(directory->names.slots);
    directory->names = (struct ext_names){0};
}

static void slot_enter(struct ext_names *names, uint32_t hash, uint32_t place)
{
    uint32_t i = hash;
    while (names->slots[i & (names->capacity - 1)].place != 0) {
        i++;
    }
    names->slots[i & (names->capacity - 1)] = (struct ext_name_slot){hash, place};
    names->used_count++;
}

static bool slot_is_live(const struct ext_name_slot *slot)
{
    return slot->place != 0 && slot->place != PLACE_REMOVED;
}

/* Keeps a free slot for every used one. Without memory the table goes, to be built anew later. */
static bool names_make_room(struct ext_node *directory)
{
    struct ext_names *names = &directory->names;
    if (2 * (names->used_count + 1) <= names->capacity) {
        return true;
    }
    uint32_t live_count = 0;
    for (uint32_t i = 0; names->slots != NULL && i < names->capacity; i++) {
        live_count += slot_is_live(&names->slots[i]);
    }
    struct ext_names grown = {.capacity = SLOTS_MIN};
    while (grown.capacity < 4 * (live_count + 1) && grown.capacity < UINT32_MAX / 4) {
        grown.capacity *= 2;
    }
    if (grown.capacity >= 4 * (live_count + 1)) {
        grown.slots = heap_allocate_zeroed(grown.capacity, sizeof(grown.slots[0]));
    }
    if (grown.slots == NULL) {
        ext_names_destroy(directory);
        return false;
    }
    for (uint32_t i = 0; names->slots != NULL && i < names->capacity; i++) {
        if (slot_is_live(&names->slots[i])) {
            slot_enter(&grown, names->slots[i].hash, names->slots[i].place);
        }
    }
    ext_names_destroy(directory);
    *names = grown;
    return true;
}

void ext_names_add(struct ext_node *directory, struct vfs_name name, uint32_t offset)
{
    if (directory->names.slots != NULL && names_make_room(directory)) {
        slot_enter(&directory->names, name_hash(directory, name), offset / 4 + 1);
    }
}

void ext_names_remove(struct ext_node *directory, struct vfs_name name, uint32_t offset)
{
    struct ext_names *names = &directory->names;
    if (names->slots == NULL) {
        return;
    }
    for (uint32_t i = name_hash(directory, name);; i++) {
        struct ext_name_slot *slot = &names->slots[i & (names->capacity - 1)];
        if (slot->place == 0) {
            return;
        }
        if (slot->place == offset / 4 + 1) {
            slot->place = PLACE_REMOVED;
            return;
        }
    }
}

static bool entry_is(const struct ext_entry *entry, struct vfs_name name)
{
    return entry->inode != 0 && entry->name_bytes == name.size_bytes &&
           memcmp(entry + 1, name.bytes, name.size_bytes) == 0;
}

/* Enters the names of one block; false when the table went for want of memory. */
static bool block_enter(struct ext_node *directory, struct ext_block *block, uint32_t start)
{
    const struct ext_volume *volume = directory->volume;
    for (uint32_t offset = 0; offset < volume->block_bytes;) {
        const struct ext_entry *entry = ext_entry_at(volume, block->bytes, offset);
        if (entry == NULL) {
            return true; /* Nothing behind a damaged entry can be found, as on Linux. */
        }
        if (entry->inode != 0) {
            struct vfs_name name = {(const char *)(entry + 1), entry->name_bytes};
            if (!names_make_room(directory)) {
                return false;
            }
            slot_enter(&directory->names, name_hash(directory, name), (start + offset) / 4 + 1);
        }
        offset += entry->record_bytes;
    }
    return true;
}

static enum err names_build(struct ext_node *directory)
{
    uint32_t block_bytes = directory->volume->block_bytes;
    uint32_t count = (uint32_t)(ext_node_size(directory) / block_bytes);
    bool complete = names_make_room(directory);
    for (uint32_t index = 0; index < count && complete; index++) {
        struct ext_block *block;
        enum err err = ext_dir_block(directory, index, &block);
        if (err != ERR_OK) {
            ext_names_destroy(directory);
            return err;
        }
        complete = block_enter(directory, block, index * block_bytes);
        ext_cache_put(block);
    }
    return ERR_OK;
}

/* Looks at one place the table names. */
static enum err place_check(struct ext_node *directory, struct vfs_name name, uint32_t offset,
                            struct ext_place *out)
{
    struct ext_volume *volume = directory->volume;
    struct ext_block *block;
    enum err err = ext_dir_block(directory, offset / volume->block_bytes, &block);
    if (err != ERR_OK) {
        return err;
    }
    const struct ext_entry *entry =
        ext_entry_at(volume, block->bytes, offset % volume->block_bytes);
    err = ERR_NOENT;
    if (entry != NULL && entry_is(entry, name)) {
        *out = (struct ext_place){.offset = offset, .inode = entry->inode};
        err = ERR_OK;
    }
    ext_cache_put(block);
    return err;
}

static enum err search_linear(struct ext_node *directory, struct vfs_name name,
                              struct ext_place *out)
{
    struct ext_volume *volume = directory->volume;
    uint32_t count = (uint32_t)(ext_node_size(directory) / volume->block_bytes);
    for (uint32_t index = 0; index < count; index++) {
        struct ext_block *block;
        enum err err = ext_dir_block(directory, index, &block);
        if (err != ERR_OK) {
            return err;
        }
        const struct ext_entry *entry;
        for (uint32_t offset = 0; offset < volume->block_bytes; offset += entry->record_bytes) {
            entry = ext_entry_at(volume, block->bytes, offset);
            if (entry == NULL) {
                break;
            }
            if (entry_is(entry, name)) {
                *out = (struct ext_place){index * volume->block_bytes + offset, entry->inode};
                ext_cache_put(block);
                return ERR_OK;
            }
        }
        ext_cache_put(block);
    }
    return ERR_NOENT;
}

enum err ext_names_find(struct ext_node *directory, struct vfs_name name, struct ext_place *out)
{
    struct ext_names *names = &directory->names;
    if (names->slots == NULL) {
        enum err err = names_build(directory);
        if (err != ERR_OK) {
            return err;
        }
    }
    if (names->slots == NULL) {
        return search_linear(directory, name, out);
    }
    uint32_t hash = name_hash(directory, name);
    for (uint32_t i = hash;; i++) {
        const struct ext_name_slot *slot = &names->slots[i & (names->capacity - 1)];
        if (slot->place == 0) {
            return ERR_NOENT;
        }
        if (slot->hash == hash && slot->place != PLACE_REMOVED) {
            enum err err = place_check(directory, name, (slot->place - 1) * 4, out);
            if (err != ERR_NOENT) {
                return err;
            }
        }
    }
}
