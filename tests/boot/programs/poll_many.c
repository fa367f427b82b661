/*
 * A long list for poll_oneoff, which the kernel watches by the dirty bits of its pages: in the
 * middle of a large allocation, across a 2 MiB boundary, so that large pages are cut.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/static-file-server/sockets.h"

enum { COUNT = 1000, BLOCK_BYTES = 8 << 20, LARGE_PAGE_BYTES = 2 << 20, WASI_DATAGRAM = 1 };

static struct wasi_subscription *list;
static struct wasi_event events[COUNT + 1];
static uint32_t numbers[COUNT];

static void check(int condition, const char *what, uint32_t index)
{
    if (!condition) {
        printf("%s at %u\n", what, index);
        exit(1);
    }
}

static void put(uint32_t index, uint8_t tag)
{
    memset(&list[index], 0, sizeof list[index]);
    list[index].userdata = index;
    list[index].tag = tag;
    list[index].fd = numbers[index];
}

/* The clock is always there; besides it exactly `index`, or nothing when that is COUNT. */
static void expect(uint32_t index)
{
    uint32_t count;
    check(wasi_poll_oneoff(list, events, COUNT + 1, &count) == 0, "poll_oneoff failed", index);
    uint32_t found = COUNT;
    for (uint32_t i = 0; i < count; i++) {
        found = events[i].userdata == COUNT ? found : (uint32_t)events[i].userdata;
    }
    check(count == (index == COUNT ? 1 : 2) && found == index, "wrong events", index);
}

int main(void)
{
    uint8_t *block = malloc(BLOCK_BYTES);
    check(block != NULL, "no memory", 0);
    for (uint32_t i = 0; i < BLOCK_BYTES; i++) {
        block[i] = (uint8_t)(i * 7 + (i >> 12));
    }
    uintptr_t boundary = ((uintptr_t)block + 2 * LARGE_PAGE_BYTES) & ~(LARGE_PAGE_BYTES - 1u);
    list = (struct wasi_subscription *)(boundary - 24000);
    for (uint32_t i = 0; i < COUNT; i++) {
        check(wasi_sock_open(WASI_INET4, WASI_DATAGRAM, &numbers[i]) == 0, "sock_open", i);
        put(i, WASI_EVENT_READ);
    }
    memset(&list[COUNT], 0, sizeof list[COUNT]);
    list[COUNT].userdata = COUNT;
    expect(COUNT);
    expect(COUNT);
    for (uint32_t i = 0; i < COUNT; i += 7) {
        put(i, WASI_EVENT_WRITE);
        expect(i);
        put(i, WASI_EVENT_READ);
        expect(COUNT);
    }
    uint8_t *start = (uint8_t *)list, *end = (uint8_t *)&list[COUNT + 1];
    for (uint8_t *at = block; at < block + BLOCK_BYTES; at++) {
        uint32_t i = (uint32_t)(at - block);
        check((at >= start && at < end) || *at == (uint8_t)(i * 7 + (i >> 12)), "changed byte", i);
    }
    puts("all events were right");
    return 0;
}
