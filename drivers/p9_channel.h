/*
 * What a 9P transport offers to the file system (fs/p9): messages to a server, one at a time.
 *
 * A message is a whole 9P message, size field included; the transport does not look into it.
 * Request and reply must lie in the direct map. Each exchange waits (through kernel/wait.h,
 * so the network keeps moving) until the server has answered or is given up, for good.
 * Normal kernel context.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kernel/base/err.h"

#define P9_TAG_BYTES_MAX 64u

struct p9_channel {
    /*
     * *reply_bytes: how much of the reply the device says it wrote, at most reply_bytes_max.
     * ERR_IO once the server is given up; ERR_BUSY while another exchange waits.
     */
    enum err (*exchange)(struct p9_channel *channel, const void *request, uint32_t request_bytes,
                         void *reply, uint32_t reply_bytes_max, uint32_t *reply_bytes);
    void *driver;
    bool is_mounted;                /* a second session would end the first */
    char tag[P9_TAG_BYTES_MAX + 1]; /* the name under which the host offers the directory */
};
