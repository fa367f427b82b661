/*
 * A 9P2000.L server as QEMU's "local" is one, in a folder of its own on this machine: its fids are
 * paths that follow only the renames it does itself. It ends the process when the client
 * breaks the protocol, and it fails or lies when a test says so.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "drivers/p9_channel.h"

#define FAKE_P9_FIDS 512u

struct fake_p9 {
    struct p9_channel channel; /* first */
    char folder[64];
    struct {
        bool is_used;
        int file; /* open, or -1 */
        char path[1024];
    } fids[FAKE_P9_FIDS];
    unsigned requests[256]; /* by type */

    uint32_t message_bytes_max; /* what it agrees to */
    uint32_t io_bytes_max;      /* reads, writes and lists no more at once */
    uint8_t fail_type;          /* answers requests of this type with... */
    uint32_t fail_errno;
    bool refuses_read_write; /* in one; each by itself is granted */
    bool is_faster;          /* makes each file itself just before the client does */
    bool is_silent;
    /* Changes a reply that is about to go; the size is what the device reports. */
    void (*lie)(uint8_t *reply, uint32_t *size_bytes);
    uint8_t lie_type; /* of the requests whose replies are changed; 0: all */
};

void fake_p9_start(struct fake_p9 *fake);
/* Removes the folder. */
void fake_p9_stop(struct fake_p9 *fake);
unsigned fake_p9_fids_in_use(const struct fake_p9 *fake);
