#include "fs/ext/ext_volume.h"

#include "kernel/clock.h"
#include "kernel/log.h"

/* A change reaches the disk after this time even if nobody asks, as on Linux. */
#define COMMIT_AGE_NS 5000000000ull

void ext_volume_stop(struct ext_volume *volume, const char *reason)
{
    if (!volume->failed) {
        volume->failed = true;
        log_error("ext", "the volume stops here, as it was at its last commit: %s", reason);
    }
}

bool ext_block_is_valid(const struct ext_volume *volume, uint32_t number)
{
    return number > volume->super->first_data_block && number < volume->super->blocks_count;
}

enum err ext_metadata_get(struct ext_volume *volume, uint32_t number, enum ext_get how,
                          struct ext_block **out)
{
    if (!ext_block_is_valid(volume, number)) {
        return ext_fail(volume, "a block number is out of range; run e2fsck");
    }
    return ext_cache_get(&volume->cache, number, how, out);
}

void ext_metadata_changed(struct ext_volume *volume, struct ext_block *block)
{
    ext_cache_mark_metadata(&volume->cache, block);
    if (volume->changed_ns == 0) {
        volume->changed_ns = clock_monotonic_ns() | 1;
    }
}

void ext_group_changed(struct ext_volume *volume, uint32_t group)
{
    uint32_t per_block = volume->block_bytes / (uint32_t)sizeof(struct ext_group);
    ext_metadata_changed(volume, volume->group_blocks[group / per_block]);
    ext_metadata_changed(volume, volume->super_block);
}

enum err ext_begin(struct ext_volume *volume)
{
    if (volume->failed) {
        return ERR_IO;
    }
    if (volume->read_only) {
        return ERR_ROFS;
    }
    struct ext_cache *cache = &volume->cache;
    size_t metadata_limit = cache->block_count_max / 4;
    if (volume->journal.map != NULL && ext_journal_capacity(volume) / 4 < metadata_limit) {
        metadata_limit = ext_journal_capacity(volume) / 4;
    }
    bool old = volume->changed_ns != 0 && clock_monotonic_ns() - volume->changed_ns > COMMIT_AGE_NS;
    if (old || cache->metadata_count > metadata_limit ||
        volume->journal.revoked_count > metadata_limit) {
        return ext_commit(volume);
    }
    if (cache->data_count > cache->block_count_max / 4 &&
        ext_cache_write(cache, EXT_DIRTY_DATA) != ERR_OK) {
        return ext_fail(volume, "file data could not be written");
    }
    return ERR_OK;
}

enum err ext_commit(struct ext_volume *volume)
{
    if (volume->failed) {
        return ERR_IO;
    }
    if (volume->read_only) {
        return ERR_OK;
    }
    struct ext_cache *cache = &volume->cache;
    if (ext_cache_write(cache, EXT_DIRTY_DATA) != ERR_OK) {
        return ext_fail(volume, "file data could not be written");
    }
    if (cache->metadata_count == 0) {
        if (ext_disk_flush(cache) != ERR_OK) {
            return ext_fail(volume, "the disk could not flush its cache");
        }
        return ERR_OK;
    }
    volume->super->write_time = (uint32_t)(clock_realtime_ns() / 1000000000u);
    ext_cache_mark_metadata(cache, volume->super_block);
    bool logged = volume->journal.map != NULL;
    enum err err = logged ? ext_journal_log(volume) : ext_disk_flush(cache);
    if (err == ERR_OK) {
        err = ext_cache_write(cache, EXT_DIRTY_METADATA);
    }
    /* What is logged is durable already; its places need not be yet. */
    if (err == ERR_OK && !logged) {
        err = ext_disk_flush(cache);
    }
    if (err != ERR_OK) {
        return ext_fail(volume, "metadata could not be written");
    }
    ext_frozen_release(volume);
    volume->changed_ns = 0;
    return ERR_OK;
}

bool ext_commit_for_space(struct ext_volume *volume)
{
    return volume->frozen_count != 0 && ext_commit(volume) == ERR_OK;
}
