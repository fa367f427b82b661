#include "fs/ext/ext_volume.h"
#include "kernel/base/string.h"
#include "kernel/mem.h"

/*
 * Which blocks and inodes are free. Bit n of a group's bitmap stands for its block or inode n;
 * set means in use.
 */

#define GROUP_NONE UINT32_MAX

static uint32_t group_of_block(const struct ext_volume *volume, uint32_t number)
{
    return (number - volume->super->first_data_block) / volume->super->blocks_per_group;
}

static uint32_t group_first_block(const struct ext_volume *volume, uint32_t group)
{
    return volume->super->first_data_block + group * volume->super->blocks_per_group;
}

/* The last group may be shorter. */
static uint32_t group_block_count(const struct ext_volume *volume, uint32_t group)
{
    uint32_t rest = volume->super->blocks_count - group_first_block(volume, group);
    uint32_t full = volume->super->blocks_per_group;
    return rest < full ? rest : full;
}

static bool bit_get(const uint8_t *bitmap, uint32_t bit)
{
    return (bitmap[bit / 8] >> (bit % 8) & 1) != 0;
}

/* The first bit in [start, end) that is clear in both bitmaps (`also` may be NULL), or end. */
static uint32_t find_clear(const uint8_t *bitmap, const uint8_t *also, uint32_t start, uint32_t end)
{
    uint32_t bit = start;
    while (bit < end) {
        uint8_t used = bitmap[bit / 8];
        used |= also != NULL ? also[bit / 8] : 0;
        if (used == 0xff) {
            bit = (bit / 8 + 1) * 8;
        } else if ((used >> (bit % 8) & 1) != 0) {
            bit++;
        } else {
            return bit;
        }
    }
    return end;
}

/* ---- Blocks -----------------------------------------------------------------------------------
 */

static enum err group_allocate(struct ext_volume *volume, uint32_t group, uint32_t start,
                               uint32_t *number)
{
    struct ext_group *descriptor = ext_group_of(volume, group);
    struct ext_block *bitmap;
    uint32_t count = group_block_count(volume, group);
    if (descriptor->free_blocks_count == 0) {
        return ERR_NOSPC;
    }
    enum err err = ext_metadata_get(volume, descriptor->block_bitmap, EXT_GET_READ, &bitmap);
    if (err != ERR_OK) {
        return err;
    }
    uint32_t bit = find_clear(bitmap->bytes, volume->frozen[group], start, count);
    if (bit == count) {
        bit = find_clear(bitmap->bytes, volume->frozen[group], 0, start);
        bit = bit == start ? count : bit;
    }
    uint32_t block = group_first_block(volume, group) + bit;
    if (bit == count) {
        err = ERR_NOSPC;
    } else if (!ext_block_is_valid(volume, block)) {
        err = ext_fail(volume, "a bitmap calls a reserved block free; run e2fsck");
    } else {
        bitmap->bytes[bit / 8] |= (uint8_t)(1u << (bit % 8));
        ext_metadata_changed(volume, bitmap);
        descriptor->free_blocks_count--;
        volume->super->free_blocks_count -= volume->super->free_blocks_count != 0;
        ext_group_changed(volume, group);
        *number = block;
    }
    ext_cache_put(bitmap);
    return err;
}

enum err ext_block_allocate(struct ext_volume *volume, uint32_t goal, uint32_t *number)
{
    if (!ext_block_is_valid(volume, goal)) {
        goal = volume->super->first_data_block + 1;
    }
    uint32_t first = group_of_block(volume, goal);
    uint32_t start = goal - group_first_block(volume, first);
    for (uint32_t i = 0; i < volume->group_count; i++) {
        uint32_t group = (first + i) % volume->group_count;
        enum err err = group_allocate(volume, group, i == 0 ? start : 0, number);
        if (err != ERR_NOSPC) {
            return err;
        }
    }
    return ERR_NOSPC;
}

/* Keeps the group's bitmap as the disk has it, before the first bit is cleared. */
static enum err group_freeze(struct ext_volume *volume, uint32_t group, const uint8_t *bitmap)
{
    if (volume->frozen[group] != NULL) {
        return ERR_OK;
    }
    uint8_t *copy = heap_allocate(volume->block_bytes);
    if (copy == NULL) {
        return ext_fail(volume, "no memory to free blocks");
    }
    memcpy(copy, bitmap, volume->block_bytes);
    volume->frozen[group] = copy;
    volume->frozen_count++;
    return ERR_OK;
}

void ext_frozen_release(struct ext_volume *volume)
{
    for (uint32_t group = 0; group < volume->group_count && volume->frozen_count != 0; group++) {
        if (volume->frozen[group] != NULL) {
            heap_free(volume->frozen[group]);
            volume->frozen[group] = NULL;
            volume->frozen_count--;
        }
    }
}

enum err ext_block_free(struct ext_volume *volume, uint32_t number, bool is_metadata)
{
    if (!ext_block_is_valid(volume, number)) {
        return ext_fail(volume, "a block number is out of range; run e2fsck");
    }
    uint32_t group = group_of_block(volume, number);
    uint32_t bit = number - group_first_block(volume, group);
    struct ext_group *descriptor = ext_group_of(volume, group);
    struct ext_block *bitmap;
    enum err err = ext_metadata_get(volume, descriptor->block_bitmap, EXT_GET_READ, &bitmap);
    if (err != ERR_OK) {
        return ext_fail(volume, "a block bitmap could not be read");
    }
    if (!bit_get(bitmap->bytes, bit)) {
        err = ext_fail(volume, "a block in use is marked free; run e2fsck");
    }
    if (err == ERR_OK) {
        err = group_freeze(volume, group, bitmap->bytes);
    }
    if (err == ERR_OK && is_metadata) {
        err = ext_journal_revoke(volume, number);
    }
    if (err == ERR_OK) {
        ext_cache_forget(&volume->cache, number);
        /* Also when it was allocated since the last commit: it may just have been revoked. */
        volume->frozen[group][bit / 8] |= (uint8_t)(1u << (bit % 8));
        bitmap->bytes[bit / 8] &= (uint8_t)~(1u << (bit % 8));
        ext_metadata_changed(volume, bitmap);
        descriptor->free_blocks_count++;
        volume->super->free_blocks_count++;
        ext_group_changed(volume, group);
    }
    ext_cache_put(bitmap);
    return err;
}

/* ---- Inodes -----------------------------------------------------------------------------------
 */

/* Files go to their directory's group; directories spread, to the group with most room. */
static uint32_t group_for_inode(struct ext_volume *volume, uint32_t near_inode, bool is_directory)
{
    uint32_t group = (near_inode - 1) / volume->super->inodes_per_group;
    uint32_t best = GROUP_NONE;
    uint32_t best_free = 0;
    for (uint32_t i = 0; i < volume->group_count; i++) {
        uint32_t candidate = (group + i) % volume->group_count;
        uint32_t free = ext_group_of(volume, candidate)->free_inodes_count;
        if (free > best_free) {
            best = candidate;
            best_free = free;
            if (!is_directory) {
                break;
            }
        }
    }
    return best;
}

enum err ext_inode_allocate(struct ext_volume *volume, uint32_t near_inode, bool is_directory,
                            uint32_t *number)
{
    struct ext_block *bitmap;
    uint32_t group = group_for_inode(volume, near_inode, is_directory);
    if (group == GROUP_NONE) {
        return ERR_NOSPC;
    }
    struct ext_group *descriptor = ext_group_of(volume, group);
    enum err err = ext_metadata_get(volume, descriptor->inode_bitmap, EXT_GET_READ, &bitmap);
    if (err != ERR_OK) {
        return err;
    }
    uint32_t per_group = volume->super->inodes_per_group;
    uint32_t bit = find_clear(bitmap->bytes, NULL, 0, per_group);
    uint32_t inode = group * per_group + bit + 1;
    if (bit == per_group || inode < volume->super->first_inode) {
        err = ext_fail(volume, "an inode bitmap does not match its count; run e2fsck");
    } else {
        bitmap->bytes[bit / 8] |= (uint8_t)(1u << (bit % 8));
        ext_metadata_changed(volume, bitmap);
        descriptor->free_inodes_count--;
        descriptor->used_directories_count += is_directory;
        volume->super->free_inodes_count -= volume->super->free_inodes_count != 0;
        ext_group_changed(volume, group);
        *number = inode;
    }
    ext_cache_put(bitmap);
    return err;
}

enum err ext_inode_free(struct ext_volume *volume, uint32_t number, bool is_directory)
{
    uint32_t group = (number - 1) / volume->super->inodes_per_group;
    uint32_t bit = (number - 1) % volume->super->inodes_per_group;
    struct ext_group *descriptor = ext_group_of(volume, group);
    struct ext_block *bitmap;
    enum err err = ext_metadata_get(volume, descriptor->inode_bitmap, EXT_GET_READ, &bitmap);
    if (err != ERR_OK) {
        return ext_fail(volume, "an inode bitmap could not be read");
    }
    if (!bit_get(bitmap->bytes, bit)) {
        err = ext_fail(volume, "an inode in use is marked free; run e2fsck");
    } else {
        bitmap->bytes[bit / 8] &= (uint8_t)~(1u << (bit % 8));
        ext_metadata_changed(volume, bitmap);
        descriptor->free_inodes_count++;
        descriptor->used_directories_count -=
            is_directory && descriptor->used_directories_count != 0;
        volume->super->free_inodes_count++;
        ext_group_changed(volume, group);
    }
    ext_cache_put(bitmap);
    return err;
}
