/*
 * drivers/virtio_mmio.c: how VMMs announce devices, and registers in plain memory.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "drivers/virtio_mmio.h"
#include "kernel/x86/paging.h"
#include "tests/unit/fake_machine.h"

static uint8_t registers[4096];

enum err mmio_map(struct phys_addr address, uint64_t size_bytes, struct mmio *out)
{
    assert_true(size_bytes <= sizeof(registers));
    if (address.value != 0xfeb00000) {
        return ERR_INVAL;
    }
    out->base = registers;
    return ERR_OK;
}

static void put(uint32_t offset, uint32_t value)
{
    memcpy(registers + offset, &value, sizeof(value));
}

static uint32_t get(uint32_t offset)
{
    uint32_t value;

    memcpy(&value, registers + offset, sizeof(value));
    return value;
}

static void test_parse(void **state)
{
    static const struct {
        const char *text;
        uint64_t address, size;
        uint16_t line;
    } good[] = {
        {"512@0xfeb00e00:12", 0xfeb00e00, 512, 12},
        {"4K@0xc0001000:5", 0xc0001000, 4096, 5},
        {"0x1000@4096:255:3", 4096, 4096, 255},
        {"1M@0xd0000000:0", 0xd0000000, 1 << 20, 0},
    };
    static const char *const bad[] = {
        "",
        "512",
        "512@",
        "512@0xfeb00e00",
        "512@0xfeb00e00:",
        "512@0xfeb00e00:256",
        "512@0xfeb00e00:-1",
        "512@0xfeb00e00:12x",
        "K@0xfeb00e00:12",
        "@0xfeb00e00:12",
        "255@0xfeb00e00:12",
        "2M@0xfeb00e00:12",
        "1048576M@0xfeb00e00:12",
        "512@0xffffffffffffffff:12",
        "512@99999999999999999999999:12",
    };
    struct virtio_mmio_window window;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(virtio_mmio_parse(good[i].text, &window), ERR_OK);
        assert_int_equal(window.address.value, good[i].address);
        assert_int_equal(window.size_bytes, good[i].size);
        assert_int_equal(window.line, good[i].line);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(virtio_mmio_parse(bad[i], &window), ERR_INVAL);
    }
}

static void test_open(void **state)
{
    struct virtio_mmio_window window = {{0xfeb00000}, 512, 12};
    struct virtio_device *device = NULL;
    uint32_t word = 0;
    uint16_t half = 0;

    (void)state;
    fake_machine_reset();
    assert_int_equal(virtio_mmio_open(&window, &device), ERR_NODEV);
    put(0, 0x74726976);
    put(4, 2);
    assert_int_equal(virtio_mmio_open(&window, &device), ERR_NODEV);
    put(8, VIRTIO_TYPE_NETWORK);
    put(4, 1);
    assert_int_equal(virtio_mmio_open(&window, &device), ERR_NOTSUP);
    assert_non_null(strstr(fake_machine.last_log, "force-legacy=false"));
    put(4, 2);
    assert_int_equal(virtio_mmio_open(&window, &device), ERR_OK);
    assert_int_equal(device->type, VIRTIO_TYPE_NETWORK);
    assert_true(device->has_interrupt);
    assert_string_equal(device->name, "virtio-net @feb00000");

    /* The configuration: fields with their own width, and nothing behind the window. */
    put(0x1fc, 0x11223344);
    device->transport->config_read(device, 0xfc, &word, 4);
    assert_int_equal(word, 0x11223344);
    device->transport->config_read(device, 0xfe, &half, 2);
    assert_int_equal(half, 0x1122);
    device->transport->config_read(device, 0xfd, &word, 4);
    assert_int_equal(word, 0);
    device->transport->config_read(device, 0xffffffff, &word, 4);
    assert_int_equal(word, 0);
    half = 0x5566;
    device->transport->config_write(device, 0xfc, &half, 2);
    device->transport->config_write(device, 0xff, &half, 2);
    assert_int_equal(get(0x1fc), 0x11225566);

    /* Queues. */
    put(0x34, 256);
    assert_int_equal(device->transport->queue_size_max(device, 3), 256);
    struct virtqueue_addresses addresses = {{0x123456789000}, {0x1000}, {0x2000}};
    assert_int_equal(device->transport->queue_enable(device, 3, 64, &addresses), ERR_OK);
    assert_int_equal(get(0x30), 3);
    assert_int_equal(get(0x38), 64);
    assert_int_equal(get(0x80), 0x56789000);
    assert_int_equal(get(0x84), 0x1234);
    assert_int_equal(get(0x44), 1);
    assert_int_equal(device->transport->queue_enable(device, 3, 64, &addresses), ERR_BUSY);
    device->transport->notify(device, 3);
    assert_int_equal(get(0x50), 3);
}

/* No line to interrupt on, and no modern features: found, but not negotiable. */
static void test_without_line_or_features(void **state)
{
    struct virtio_mmio_window window = {{0xfeb00000}, 512, VIRTIO_MMIO_NO_LINE};
    struct virtio_device *device = NULL;

    (void)state;
    fake_machine_reset();
    put(0, 0x74726976);
    put(4, 2);
    put(8, VIRTIO_TYPE_ENTROPY);
    assert_int_equal(virtio_mmio_open(&window, &device), ERR_OK);
    assert_false(device->has_interrupt);
    assert_int_equal(virtio_negotiate(device, 0, 0), ERR_NOTSUP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_without_line_or_features),
    };
    return cmocka_run_group_tests_name("virtio_mmio", tests, NULL, NULL);
}
