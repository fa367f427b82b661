/*
 * A disk, a console or an entropy device that does as the fuzzer says: at each
 * notification and while the driver waits it returns chains that it holds or invents, with
 * any length and content, scribbles over descriptors and rings, changes its configuration,
 * asks for a reset or does nothing. Whatever it does, each call of the driver must end,
 * stay within its memory, and say the truth about what the caller's memory holds.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/virtio_blk.h"
#include "drivers/virtio_rng.h"
#include "kernel/wait.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/unit/fake_machine.h"
#include "tests/unit/fake_virtio.h"

/* The console is one per machine: its state is static and starts anew for each input. */
#include "drivers/virtio_console.c"

#define QUEUE_MAX    8u
#define DEVICE_MOVES 3u
#define TRANSFER_MAX 8192u
#define CANARY       0xa5

static struct fake_virtio fake;
static struct fuzz_input input;
static const struct console_backend *backend_seen;
static struct wait_poller *poller_seen;
static bool acting;

static uint32_t take(unsigned bytes)
{
    return fuzz_take(&input, bytes);
}

static void check(bool condition)
{
    if (!condition) {
        abort();
    }
}

void console_register(const struct console_backend *registered)
{
    backend_seen = registered;
}

void wait_register(struct wait_poller *registered)
{
    poller_seen = registered;
}

/* What the device writes, and how much of it it admits. */
static void answer(struct fake_queue *queue, uint32_t how)
{
    struct fake_chain chain;
    uint32_t written = 0;

    if (fake.device.broken || !fake_take_any(queue, &chain)) {
        return;
    }
    for (unsigned i = 0; i < chain.count; i++) {
        struct fake_segment *segment = &chain.segments[i];
        if (!segment->writable) {
            continue;
        }
        for (uint32_t at = 0; at < segment->length_bytes && at < 12; at++) {
            segment->data[at] = (uint8_t)take(1);
        }
        written += segment->length_bytes;
    }
    fake_return(queue, chain.head, how < 96 ? written : take(how % 4));
}

static void scribble(struct fake_queue *queue, uint32_t what)
{
    if (what < 128) {
        uint8_t *bytes = (uint8_t *)queue->descriptors;
        bytes[take(2) % (queue->size * 16u)] = (uint8_t)what;
    } else {
        queue->used->index = (uint16_t)take(2);
        queue->returned = queue->used->index;
    }
    /* The fake's own walk would trip over this, the driver must not. */
    queue->seen = queue->available->index;
}

static void move(void)
{
    uint32_t what = take(1);
    struct fake_queue *queue = &fake.queues[take(1) % FAKE_QUEUES];

    if (queue->size == 0) {
        return;
    }
    if (what < 160) {
        answer(queue, take(1));
    } else if (what < 180) {
        fake_return(queue, take(what % 3), take(2));
    } else if (what < 200) {
        scribble(queue, take(1));
    } else if (what < 205) {
        fake.status |= VIRTIO_STATUS_NEEDS_RESET_BIT;
        virtio_config_interrupt(&fake.device);
    } else if (what < 215) {
        fake.config[take(1) % FAKE_CONFIG_BYTES] = (uint8_t)take(1);
    }
}

static void device_moves(void)
{
    if (acting) {
        return;
    }
    acting = true;
    for (unsigned i = 0; i < DEVICE_MOVES && input.bytes > 0; i++) {
        move();
    }
    acting = false;
}

static void on_notify(struct fake_virtio *device, uint16_t queue)
{
    (void)device;
    (void)queue;
    device_moves();
}

void wait_once(uint64_t deadline_ns)
{
    uint64_t next = UINT64_MAX;

    fake_machine.now_ns = deadline_ns;
    device_moves();
    /* Output waits for as long as the host takes none, as a pipe does. */
    if (input.bytes == 0) {
        virtio_mark_broken(&fake.device, "the test is over");
    }
    if (poller_seen != NULL) {
        poller_seen->poll(poller_seen->context, &next);
    }
}

void wait_for_device(uint64_t deadline_ns)
{
    wait_once(deadline_ns);
}

static void drive_disk(void)
{
    static uint8_t memory[TRANSFER_MAX + 16];
    struct blockdev *disk;

    if (virtio_blk_open(&fake.device, &disk) != ERR_OK) {
        return;
    }
    check(disk->block_bytes >= 512 && (disk->block_bytes & (disk->block_bytes - 1)) == 0);
    check(strlen(disk->serial) <= BLOCKDEV_SERIAL_BYTES);
    while (input.bytes > 0) {
        uint32_t what = take(1);
        uint64_t sector = what < 200 ? take(1) : (uint64_t)take(4) << 32 | take(4);
        size_t count = take(1) % (TRANSFER_MAX / 512 + 1);
        enum err error;

        memset(memory + count * 512, CANARY, sizeof(memory) - count * 512);
        if (what % 3 == 0) {
            error = disk->ops->read(disk, sector, memory, count);
        } else if (what % 3 == 1) {
            error = disk->ops->write(disk, sector, memory, count);
            check(!disk->read_only || error == ERR_ROFS);
        } else {
            error = disk->ops->flush(disk);
            check(error != ERR_RANGE);
        }
        if (what % 3 < 2 && error == ERR_OK) {
            check(sector + count >= sector && sector + count <= disk->sector_count);
        }
        check(error != ERR_BUSY);
        for (size_t at = count * 512; at < sizeof(memory); at++) {
            check(memory[at] == CANARY);
        }
    }
}

static void drive_console(void)
{
    static uint8_t data[9000];
    uint64_t next = UINT64_MAX;
    size_t bytes;

    memset(&console, 0, sizeof(console));
    if (virtio_console_open(&fake.device) != ERR_OK) {
        return;
    }
    check(backend_seen != NULL && poller_seen != NULL);
    while (input.bytes > 0) {
        uint32_t what = take(1);
        switch (what % 5) {
        case 0:
            (void)backend_seen->write(NULL, (enum console_stream)(take(1) % 3), data,
                                      take(2) % sizeof(data));
            break;
        case 1:
            /* Registered anew for each input, but its static record keeps what it had. */
            if (input_port() != NULL) {
                size_t wanted = 1 + take(2) % sizeof(data);
                bytes = 0;
                if (backend_seen->read(NULL, data, wanted, &bytes) == ERR_OK) {
                    check(bytes <= wanted);
                }
            }
            break;
        case 2:
            if (input_port() != NULL) {
                (void)backend_seen->input_ready(NULL);
            }
            break;
        case 3:
            (void)poller_seen->poll(poller_seen->context, &next);
            break;
        default:
            wait_once(fake_machine.now_ns + 1000000);
        }
    }
    virtio_console_drain();
}

static void drive_entropy(void)
{
    enum err error = virtio_rng_seed(&fake.device);

    check(error != ERR_OK || fake_machine.seeded_bytes >= 64);
    check(fake_machine.seeded_bytes < 128);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint32_t types[] = {VIRTIO_TYPE_BLOCK, VIRTIO_TYPE_CONSOLE, VIRTIO_TYPE_ENTROPY};

    input = (struct fuzz_input){data, size};
    backend_seen = NULL;
    poller_seen = NULL;
    fake_machine_reset();
    fake_machine.clock_step_ns = 50000000;
    uint32_t kind = take(1) % 3;
    fake_virtio_init(&fake, types[kind], 0, QUEUE_MAX);
    fake.offered |= take(2);
    fake.on_notify = on_notify;
    fake.refuses_reset = take(1) == 1;
    fake_machine.pages_limit = 20 + take(1);
    for (unsigned i = 0; i < 32; i++) {
        fake.config[i] = (uint8_t)take(1);
    }
    if (kind == 0) {
        drive_disk();
    } else if (kind == 1) {
        drive_console();
    } else {
        drive_entropy();
    }
    return 0;
}
