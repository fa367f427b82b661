/*
 * The devices of the machine, found and started in one step at boot.
 *
 * kernel/main.c is the only caller. Everything returned lives until power-off and
 * stays owned by its driver. Normal kernel context, after memory, interrupts, the
 * clock and the log work; before random_fill is first needed, because a virtio-rng
 * device feeds random_seed from here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drivers/blockdev.h"
#include "drivers/netdev.h"
#include "drivers/p9_channel.h"
#include "kernel/base/err.h"

/*
 * Adds a virtio-mmio device that the VMM announced on the command line; `value` is
 * what follows `virtio_mmio.device=`, for example 512@0xfeb00e00:12 or
 * 4K@0xd0000000:5. ERR_INVAL when it does not read so, ERR_NOSPC beyond 32 devices.
 * Call before drivers_probe.
 */
enum err drivers_add_mmio(const char *value) WARN_UNUSED;

/*
 * Finds virtio devices on PCI, in the list above and (where there is neither) in the
 * fixed window of QEMU's microvm, and starts those that have a driver: network,
 * entropy, console, disk, 9P. A device that fails to start is logged and left out.
 */
void drivers_probe(void);

/* The first working network card, or NULL. */
struct netdev *drivers_network_device(void);

/* Disks in the order they were found; NULL past the last. */
struct blockdev *drivers_block_device(size_t index);

/* Directories that the host offers, in the same way. */
struct p9_channel *drivers_p9_channel(size_t index);

/*
 * Before power-off: waits until consoles have sent what was written, then resets all other
 * devices, so that none writes to memory any more.
 */
void drivers_shutdown(void);
