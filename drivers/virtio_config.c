#include "drivers/virtio_config.h"

#include <stdbool.h>

#include "kernel/base/string.h"

static bool inside(uint32_t window_bytes, uint32_t offset, uint32_t bytes)
{
    return bytes <= window_bytes && offset <= window_bytes - bytes;
}

void virtio_config_window_read(struct mmio window, uint32_t window_bytes, uint32_t offset,
                               void *data, uint32_t bytes)
{
    uint8_t *out = data;

    memset(out, 0, bytes);
    if (!inside(window_bytes, offset, bytes)) {
        return;
    }
    if (bytes == 2) {
        uint16_t value = mmio_read16(window, offset);
        memcpy(out, &value, sizeof(value));
    } else if (bytes == 4 || bytes == 8) {
        for (uint32_t i = 0; i < bytes; i += 4) {
            uint32_t value = mmio_read32(window, (uint64_t)offset + i);
            memcpy(out + i, &value, sizeof(value));
        }
    } else {
        for (uint32_t i = 0; i < bytes; i++) {
            out[i] = mmio_read8(window, (uint64_t)offset + i);
        }
    }
}

void virtio_config_window_write(struct mmio window, uint32_t window_bytes, uint32_t offset,
                                const void *data, uint32_t bytes)
{
    const uint8_t *in = data;

    if (!inside(window_bytes, offset, bytes)) {
        return;
    }
    if (bytes == 2) {
        uint16_t value;
        memcpy(&value, in, sizeof(value));
        mmio_write16(window, offset, value);
    } else if (bytes == 4 || bytes == 8) {
        for (uint32_t i = 0; i < bytes; i += 4) {
            uint32_t value;
            memcpy(&value, in + i, sizeof(value));
            mmio_write32(window, (uint64_t)offset + i, value);
        }
    } else {
        for (uint32_t i = 0; i < bytes; i++) {
            mmio_write8(window, (uint64_t)offset + i, in[i]);
        }
    }
}

uint64_t virtio_features_read(struct mmio window, uint64_t select_at, uint64_t features_at)
{
    mmio_write32(window, select_at, 0);
    uint64_t features = mmio_read32(window, features_at);
    mmio_write32(window, select_at, 1);
    return features | (uint64_t)mmio_read32(window, features_at) << 32;
}

void virtio_features_write(struct mmio window, uint64_t select_at, uint64_t features_at,
                           uint64_t features)
{
    mmio_write32(window, select_at, 0);
    mmio_write32(window, features_at, (uint32_t)features);
    mmio_write32(window, select_at, 1);
    mmio_write32(window, features_at, (uint32_t)(features >> 32));
}
