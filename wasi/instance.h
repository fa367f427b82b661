/*
 * The state of the WASI layer. Imported functions carry no context, so there is one
 * instance, set up by wasi_start (or by a test) before the guest runs.
 */
#pragma once

#include "kernel/base/err.h"
#include "wasi/fd_table.h"
#include "wasi/wasi.h"

struct wasi_instance {
    const struct wasi_config *config;
    struct fd_table descriptors; /* of struct wasi_descriptor */
};

extern struct wasi_instance wasi_instance;

/* Attaches the memory and opens the console, the listeners and the preopened directories. */
enum err wasi_instance_begin(const struct wasi_config *config) WARN_UNUSED;
/*
 * Closes every descriptor and gives the network a bounded time to deliver what was sent:
 * the machine is about to end, and nobody else would retransmit.
 */
void wasi_instance_end(void);
/* wait_once() for calls that block: volumes get their chance to write first (fs/fs.h). */
void wasi_wait(uint64_t deadline_ns);
