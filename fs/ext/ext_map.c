#include "fs/ext/ext_node.h"

/*
 * Which disk blocks a file's blocks lie in: twelve in the inode, then trees of one, two and
 * three levels of indirect blocks, each an array of block numbers where 0 is a hole.
 */

#define LEVELS_MAX 3u

static uint32_t pointers_per_block(const struct ext_volume *volume)
{
    return volume->block_bytes / (uint32_t)sizeof(uint32_t);
}

/* The size is bound by what the tree reaches and by the 32-bit count of sectors. */
uint64_t ext_map_size_max(const struct ext_volume *volume)
{
    uint64_t pointers = pointers_per_block(volume);
    uint64_t blocks =
        EXT_DIRECT_BLOCKS + pointers + pointers * pointers + pointers * pointers * pointers;
    uint64_t by_tree = blocks * volume->block_bytes;
    uint64_t by_sectors = (uint64_t)UINT32_MAX * 512 / 2;
    return by_tree < by_sectors ? by_tree : by_sectors;
}

/* The way to a block: a slot of the inode, then one in each indirect block. */
struct way {
    unsigned depth; /* indirect blocks on the way */
    uint32_t slots[LEVELS_MAX + 1];
};

static bool way_find(const struct ext_volume *volume, uint32_t index, struct way *way)
{
    uint32_t pointers = pointers_per_block(volume);
    if (index < EXT_DIRECT_BLOCKS) {
        *way = (struct way){.depth = 0, .slots = {index}};
        return true;
    }
    uint64_t rest = index - EXT_DIRECT_BLOCKS;
    uint64_t span = pointers;
    for (unsigned depth = 1; depth <= LEVELS_MAX; depth++, span *= pointers) {
        if (rest < span) {
            way->depth = depth;
            way->slots[0] = EXT_DIRECT_BLOCKS + depth - 1;
            for (unsigned level = depth; level > 0; level--) {
                way->slots[level] = (uint32_t)(rest % pointers);
                rest /= pointers;
            }
            return true;
        }
        rest -= span;
    }
    return false;
}

enum err ext_map_find(struct ext_node *node, uint32_t index, uint32_t *block)
{
    struct ext_volume *volume = node->volume;
    struct way way;
    *block = 0;
    if (!way_find(volume, index, &way)) {
        return ERR_OK;
    }
    uint32_t number = node->inode.block[way.slots[0]];
    for (unsigned level = 1; level <= way.depth && number != 0; level++) {
        struct ext_block *table;
        enum err err = ext_metadata_get(volume, number, EXT_GET_READ, &table);
        if (err != ERR_OK) {
            return err;
        }
        number = table->words[way.slots[level]];
        ext_cache_put(table);
    }
    if (number != 0 && !ext_block_is_valid(volume, number)) {
        return ext_fail(volume, "a file has a block out of range; run e2fsck");
    }
    *block = number;
    return ERR_OK;
}

/* ---- Allocating -------------------------------------------------------------------------------
 */

static uint32_t goal_for(const struct ext_node *node, uint32_t index)
{
    const struct ext_super *super = node->volume->super;
    if (node->last_block != 0 && index > node->last_index && index - node->last_index < 64) {
        return node->last_block + (index - node->last_index);
    }
    uint32_t group = (node->number - 1) / super->inodes_per_group;
    return super->first_data_block + group * super->blocks_per_group + 1;
}

/* Fills an empty slot of the inode (`table` NULL) or of an indirect block. */
static enum err slot_fill(struct ext_node *node, struct ext_block *table, uint32_t *slot,
                          uint32_t goal, bool zero)
{
    struct ext_volume *volume = node->volume;
    struct ext_block *fresh;
    uint32_t number;
    enum err err = ext_block_allocate(volume, goal, &number);
    if (err != ERR_OK) {
        return err;
    }
    if (zero) {
        err = ext_metadata_get(volume, number, EXT_GET_ZERO, &fresh);
        if (err != ERR_OK) {
            return ext_fail(volume, "no memory for an indirect block");
        }
        ext_metadata_changed(volume, fresh);
        ext_cache_put(fresh);
    }
    *slot = number;
    node->inode.sectors += volume->block_bytes / 512;
    if (table != NULL) {
        ext_metadata_changed(volume, table);
    }
    return ERR_OK;
}

enum err ext_map_make(struct ext_node *node, uint32_t index, bool is_metadata, uint32_t *block,
                      bool *is_new)
{
    struct ext_volume *volume = node->volume;
    struct ext_block *table = NULL;
    struct way way;
    enum err err = ERR_OK;
    *is_new = false;
    if (!way_find(volume, index, &way)) {
        return ERR_FBIG;
    }
    uint32_t goal = goal_for(node, index);
    uint32_t *slot = &node->inode.block[way.slots[0]];
    for (unsigned level = 0; level <= way.depth && err == ERR_OK; level++) {
        bool is_leaf = level == way.depth;
        if (*slot == 0) {
            err = slot_fill(node, table, slot, goal, !is_leaf || is_metadata);
            *is_new = is_leaf && err == ERR_OK;
            goal = err == ERR_OK ? *slot + 1 : goal;
        }
        if (err != ERR_OK || is_leaf) {
            break;
        }
        struct ext_block *next;
        err = ext_metadata_get(volume, *slot, EXT_GET_READ, &next);
        if (err == ERR_OK) {
            ext_cache_put(table);
            table = next;
            slot = &table->words[way.slots[level + 1]];
        }
    }
    if (err == ERR_OK && !ext_block_is_valid(volume, *slot)) {
        err = ext_fail(volume, "a file has a block out of range; run e2fsck");
    }
    if (err == ERR_OK) {
        *block = *slot;
        node->last_index = index;
        node->last_block = *slot;
    }
    ext_cache_put(table);
    return err;
}

/* ---- Freeing ----------------------------------------------------------------------------------
 */

static enum err leaf_free(struct ext_node *node, uint32_t number, bool is_metadata)
{
    uint32_t sectors = node->volume->block_bytes / 512;
    node->inode.sectors -= node->inode.sectors < sectors ? node->inode.sectors : sectors;
    return ext_block_free(node->volume, number, is_metadata);
}

struct cut_frame {
    struct ext_block *table;
    uint64_t base; /* the first file block that the table maps */
    uint32_t slot;
    bool changed;
};

/*
 * Frees what a tree of indirect blocks maps from `first` on, and every indirect block that
 * maps nothing before it: a post-order walk with a stack of one frame a level. Sets *root to 0
 * when the root is gone.
 */
static enum err tree_cut(struct ext_node *node, uint32_t *root, unsigned levels, uint64_t base,
                         uint64_t first, bool is_metadata)
{
    struct ext_volume *volume = node->volume;
    const uint32_t pointers = pointers_per_block(volume);
    struct cut_frame stack[LEVELS_MAX];
    unsigned depth = 0;
    stack[0] = (struct cut_frame){.base = base};
    enum err err = ext_metadata_get(volume, *root, EXT_GET_READ, &stack[0].table);
    if (err != ERR_OK) {
        return err;
    }
    for (;;) {
        struct cut_frame *frame = &stack[depth];
        uint32_t *table = frame->table->words;
        uint64_t span = 1; /* file blocks that one slot of this table maps */
        for (unsigned level = levels - depth; level > 1; level--) {
            span *= pointers;
        }
        if (err == ERR_OK && frame->slot < pointers) {
            uint64_t slot_base = frame->base + frame->slot * span;
            uint32_t *slot = &table[frame->slot++];
            if (*slot == 0 || slot_base + span <= first) {
                continue;
            }
            if (span == 1) {
                err = leaf_free(node, *slot, is_metadata);
                *slot = 0;
                frame->changed = true;
            } else {
                stack[depth + 1] = (struct cut_frame){.base = slot_base};
                err = ext_metadata_get(volume, *slot, EXT_GET_READ, &stack[depth + 1].table);
                depth += err == ERR_OK;
            }
            continue;
        }
        /* The table is done: it goes, or stays with what lies before `first`. */
        bool gone = err == ERR_OK && frame->base >= first;
        uint32_t number = frame->table->number;
        if (!gone && frame->changed) {
            ext_metadata_changed(volume, frame->table);
        }
        ext_cache_put(frame->table);
        if (gone) {
            err = leaf_free(node, number, true);
        }
        if (depth == 0) {
            *root = gone ? 0 : *root;
            return err;
        }
        depth--;
        if (gone) {
            stack[depth].table->words[stack[depth].slot - 1] = 0;
            stack[depth].changed = true;
        }
    }
}

enum err ext_map_cut(struct ext_node *node, uint32_t first, bool is_metadata)
{
    uint64_t pointers = pointers_per_block(node->volume);
    enum err err = ERR_OK;
    for (uint32_t slot = first; slot < EXT_DIRECT_BLOCKS && err == ERR_OK; slot++) {
        if (node->inode.block[slot] != 0) {
            err = leaf_free(node, node->inode.block[slot], is_metadata);
            node->inode.block[slot] = 0;
        }
    }
    uint64_t base = EXT_DIRECT_BLOCKS;
    uint64_t span = pointers;
    for (unsigned levels = 1; levels <= LEVELS_MAX && err == ERR_OK; levels++) {
        uint32_t *root = &node->inode.block[EXT_DIRECT_BLOCKS + levels - 1];
        if (*root != 0 && base + span > first) {
            err = tree_cut(node, root, levels, base, first, is_metadata);
        }
        base += span;
        span *= pointers;
    }
    node->last_block = 0;
    return err == ERR_OK ? ERR_OK : ext_fail(node->volume, "blocks could not be freed");
}
