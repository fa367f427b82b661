/* Frames as text: what tcpdump would say, and frames that lie about every length. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "trace/packet.h"

#define MUTATIONS 20000u

/* Ethernet, then what follows. */
#define LINK 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2
static const uint8_t arp[] = {LINK, 8,  6, 0, 1, 8, 0, 6, 4, 0, 1, 2,  0, 0, 0, 0,
                              2,    10, 0, 2, 2, 0, 0, 0, 0, 0, 0, 10, 0, 2, 15};
static const uint8_t tcp4[] = {LINK, 8,    0,    0x45, 0, 0, 44, 0,   1,   0,   0,  64,
                               6,    0,    0,    10,   0, 2, 2,  10,  0,   2,   15, 0x82,
                               0x00, 0,    80,   0,    0, 0, 1,  0,   0,   0,   2,  0x50,
                               0x18, 0xff, 0xff, 0,    0, 0, 0,  'a', 'b', 'c', 'd'};
static const uint8_t udp6[] = {LINK, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 24, 0, 64, 0x20, 1, 0xd,
                               0xb8, 0,    0,    0,    0, 0, 0, 0, 0,  0, 0,  0,    1, 0x20,
                               1,    0xd,  0xb8, 0,    0, 0, 0, 0, 0,  0, 0,  0,    0, 0,
                               2,    17,   0,    0,    0, 0, 0, 0, 0,  0, 53, 4,    0, 0,
                               16,   0,    0,    1,    2, 3, 4, 5, 6,  7, 8};
static const uint8_t fragment[] = {LINK, 8, 0, 0x45, 0, 0, 28, 0, 9, 0x20, 5, 64, 17, 0, 0, 10,
                                   0,    2, 2, 10,   0, 2, 15, 1, 2, 3,    4, 5,  6,  7, 8};

static const char *shown(const uint8_t *frame, size_t size_bytes)
{
    static char line[TRACE_TEXT_BYTES + 1];
    struct trace_text text = {0};

    /* Exactly as long as it is, so that ASan sees a read beyond. */
    uint8_t *copy = malloc(size_bytes);
    memcpy(copy, frame, size_bytes);
    trace_packet(&text, copy, size_bytes, size_bytes);
    free(copy);
    memcpy(line, text.bytes, text.used_bytes);
    line[text.used_bytes] = '\0';
    for (size_t i = 0; i < text.used_bytes; i++) {
        assert_in_range((uint8_t)line[i], 0x20, 0x7e);
    }
    return line;
}

static void good_frames(void **state)
{
    (void)state;
    assert_string_equal(shown(arp, sizeof(arp)), "arp who has 10.0.2.15, tell 10.0.2.2");
    assert_string_equal(shown(tcp4, sizeof(tcp4)),
                        "10.0.2.2:33280 > 10.0.2.15:80 tcp P. seq 1 ack 2 win 65535 length 4");
    assert_string_equal(shown(udp6, sizeof(udp6)),
                        "[2001:db8::1]:53 > [2001:db8::2]:1024 udp length 8");
    assert_string_equal(shown(fragment, sizeof(fragment)),
                        "10.0.2.2 > 10.0.2.15 fragment 9 offset 40 length 8");
}

static void bad_frames(void **state)
{
    uint8_t frame[sizeof(tcp4)];

    (void)state;
    assert_string_equal(shown(tcp4, 13), "frame, cut off");
    assert_string_equal(shown(tcp4, 20), "ip, cut off");
    memcpy(frame, tcp4, sizeof(frame));
    frame[14] = 0x44; /* header shorter than the least */
    assert_string_equal(shown(frame, sizeof(frame)), "10.0.2.2 > 10.0.2.15 ip, bad header");
    memcpy(frame, tcp4, sizeof(frame));
    frame[17] = 200; /* longer than the frame */
    assert_string_equal(shown(frame, sizeof(frame)), "10.0.2.2 > 10.0.2.15 ip, bad header");
    memcpy(frame, tcp4, sizeof(frame));
    frame[46] = 0xf0; /* options beyond the end */
    assert_string_equal(
        shown(frame, sizeof(frame)),
        "10.0.2.2:33280 > 10.0.2.15:80 tcp P. seq 1 ack 2 win 65535, bad header length");
}

static void mutated_frames(void **state)
{
    static const struct {
        const uint8_t *bytes;
        size_t size_bytes;
    } seeds[] = {{arp, sizeof(arp)},
                 {tcp4, sizeof(tcp4)},
                 {udp6, sizeof(udp6)},
                 {fragment, sizeof(fragment)}};
    uint64_t random = 1;

    (void)state;
    for (unsigned i = 0; i < MUTATIONS; i++) {
        uint8_t frame[128] = {0};
        size_t seed = i % (sizeof(seeds) / sizeof(seeds[0]));
        memcpy(frame, seeds[seed].bytes, seeds[seed].size_bytes);
        for (unsigned change = 0; change < 3; change++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            frame[random >> 33 & 63] = (uint8_t)(random >> 24);
        }
        (void)shown(frame, 1 + (random >> 40) % (seeds[seed].size_bytes + 8));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_frames),
        cmocka_unit_test(bad_frames),
        cmocka_unit_test(mutated_frames),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
