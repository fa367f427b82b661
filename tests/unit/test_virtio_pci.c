/*
 * drivers/pci.c and drivers/virtio_pci.c on a bus in memory: what QEMU shows, what no
 * firmware prepared, and what no device should do.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "drivers/virtio_pci.h"
#include "tests/unit/fake_machine.h"
#include "tests/unit/fake_pci.h"

static struct pci_device found[8];
static unsigned found_count;

static void visit(const struct pci_device *device)
{
    assert_in_range(found_count, 0, 7);
    found[found_count++] = *device;
}

static void scan(void)
{
    found_count = 0;
    pci_scan(visit);
}

static void set_up(void)
{
    fake_machine_reset();
    fake_pci_reset();
}

static void test_scan(void **state)
{
    (void)state;
    set_up();
    scan();
    assert_int_equal(found_count, 0);
    fake_pci_add_virtio(&fake_pci[0], 3, 0x1041);
    /* Two bridges to each other's bus and to their own: no endless loop. */
    for (unsigned i = 1; i < 3; i++) {
        fake_pci[i] = (struct fake_pci_function){
            .present = true, .bus = (uint8_t)(i - 1), .slot = 4, .config = {0x86, 0x80}};
        fake_pci[i].config[0x0e] = 1;
        fake_pci[i].config[0x19] = 1;
    }
    fake_pci_add_virtio(&fake_pci[3], 0, 0x1044);
    fake_pci[3].bus = 1;
    scan();
    assert_int_equal(found_count, 2);
    assert_int_equal(found[0].slot, 3);
    assert_int_equal(found[0].device_id, 0x1041);
    assert_int_equal(found[1].bus, 1);
    assert_in_range(fake_pci_reads, 64, 256);
}

static void test_multi_function(void **state)
{
    (void)state;
    set_up();
    fake_pci_add_virtio(&fake_pci[0], 3, 0x1041);
    fake_pci_add_virtio(&fake_pci[1], 3, 0x1044);
    fake_pci[1].function = 5;
    scan();
    assert_int_equal(found_count, 1);
    fake_pci[0].config[0x0e] = 0x80;
    scan();
    assert_int_equal(found_count, 2);
    assert_int_equal(found[1].function, 5);
}

static void test_capability_loop(void **state)
{
    (void)state;
    set_up();
    fake_pci_add_virtio(&fake_pci[0], 3, 0x1041);
    fake_pci[0].config[0x41] = 0x98;
    scan();
    assert_int_equal(pci_find_capability(&found[0], 0x55, 0), 0);
    assert_int_equal(pci_find_capability(&found[0], 0x11, 0), 0x98);
    /* Around the loop the same one is found again; the caller bounds that. */
    struct virtio_device *device;
    assert_int_equal(virtio_pci_open(&found[0], &device), ERR_OK);
    fake_pci[0].config[0x06] = 0;
    assert_int_equal(pci_find_capability(&found[0], 0x11, 0), 0);
}

static struct virtio_device *open_first(enum err expected)
{
    struct virtio_device *device = NULL;

    scan();
    assert_int_equal(virtio_pci_open(&found[0], &device), expected);
    return device;
}

static void test_open(void **state)
{
    uint32_t entry[4];

    (void)state;
    set_up();
    fake_pci_add_virtio(&fake_pci[0], 3, 0x1041);
    struct virtio_device *device = open_first(ERR_OK);
    assert_int_equal(device->type, VIRTIO_TYPE_NETWORK);
    assert_string_equal(device->name, "virtio-net 00:03.0");
    assert_true(device->has_interrupt);
    assert_int_equal(fake_pci_vectors, 2);
    /* Memory and bus master on, INTx off, MSI-X enabled and not masked. */
    assert_int_equal(fake_pci[0].config[0x04], 0x06);
    assert_int_equal(fake_pci[0].config[0x05], 0x04);
    assert_int_equal(fake_pci[0].config[0x9b], 0x80);
    memcpy(entry, fake_pci_mmio + 0x8000 + 16, sizeof(entry));
    assert_int_equal(entry[0], 0xfee00000);
    assert_int_equal(entry[2], 0x31);
    assert_int_equal(entry[3], 0);

    /* Transitional, known by its subsystem; no MSI-X: the legacy line. */
    set_up();
    fake_pci_add_virtio(&fake_pci[0], 3, 0x1000);
    fake_pci[0].config[0x98] = 0x12;
    device = open_first(ERR_OK);
    assert_int_equal(device->type, VIRTIO_TYPE_NETWORK);
    assert_int_equal(fake_pci_vectors, 0);
    assert_int_equal(fake_machine.line_handlers, 1);
    /* No line either. */
    fake_pci[0].config[0x3c] = 0xff;
    device = open_first(ERR_OK);
    assert_false(device->has_interrupt);

    fake_pci_add_virtio(&fake_pci[0], 3, 0x1041);
    fake_pci[0].config[0] = 0x86;
    assert_null(open_first(ERR_NODEV));
    fake_pci_add_virtio(&fake_pci[0], 3, 0x1080);
    assert_null(open_first(ERR_NODEV));
}

static void test_assigned_address(void **state)
{
    uint32_t bar;

    (void)state;
    set_up();
    fake_pci_add_virtio(&fake_pci[0], 3, 0x1041);
    memset(fake_pci[0].config + 0x14, 0, 4);
    memset(fake_pci[0].config + 0x21, 0, 3);
    fake_pci[0].bar_bytes[1] = 0x1000;
    fake_pci[0].bar_bytes[4] = 0x4000;
    assert_non_null(open_first(ERR_OK));
    memcpy(&bar, fake_pci[0].config + 0x20, sizeof(bar));
    assert_int_equal(bar & 0xfff03fff, 0xf000000c);
    uint32_t first = bar;
    memcpy(&bar, fake_pci[0].config + 0x14, sizeof(bar));
    assert_int_equal(bar & 0xfff00fff, 0xf0000000);
    assert_true((bar & ~0x3fffu) != (first & ~0x3fffu));
    /* Larger than the window there is for them. */
    memset(fake_pci[0].config + 0x20, 0, 4);
    fake_pci[0].bar_bytes[4] = 0x40000000;
    assert_null(open_first(ERR_NODEV));
    /* A BAR that is none. */
    fake_pci[0].config[0x20] = 1;
    assert_null(open_first(ERR_NODEV));
}

static void test_bad_capabilities(void **state)
{
    (void)state;
    set_up();
    fake_pci_add_virtio(&fake_pci[0], 3, 0x1041);
    fake_pci[0].config[0x43] = 9; /* no common configuration */
    assert_null(open_first(ERR_NOTSUP));
    fake_pci_add_virtio(&fake_pci[0], 3, 0x1041);
    fake_pci[0].config[0x4d] = 0; /* too short a one */
    assert_null(open_first(ERR_RANGE));
    fake_pci_add_virtio(&fake_pci[0], 3, 0x1041);
    fake_pci[0].config[0x44] = 7; /* no such BAR */
    assert_null(open_first(ERR_NODEV));
    fake_pci_add_virtio(&fake_pci[0], 3, 0x1041);
    fake_pci[0].config[0x4b] = 0xff; /* absurd offset */
    assert_null(open_first(ERR_RANGE));
    fake_pci_add_virtio(&fake_pci[0], 3, 0x1041);
    fake_pci[0].config[0x73] = 9; /* no doorbells */
    assert_null(open_first(ERR_NOTSUP));
}

static void test_doorbell_outside(void **state)
{
    struct virtqueue queue;

    (void)state;
    set_up();
    fake_pci_add_virtio(&fake_pci[0], 3, 0x1041);
    struct virtio_device *device = open_first(ERR_OK);
    /* Common configuration: two queues of 8, doorbell 0x400 * 4 is at the window's end. */
    fake_pci_mmio[18] = 2;
    fake_pci_mmio[24] = 8;
    fake_pci_mmio[31] = 4;
    assert_int_equal(virtio_queue_create(device, 0, 8, 0, &queue), ERR_PROTO);
    fake_pci_mmio[30] = 0xff;
    fake_pci_mmio[31] = 3;
    assert_int_equal(virtio_queue_create(device, 0, 8, 0, &queue), ERR_OK);
    assert_int_equal(fake_pci_mmio[28], 1);
    device->transport->notify(device, 0);
    assert_int_equal(virtio_queue_create(device, 2, 8, 0, &queue), ERR_NODEV);
    fake_pci_mmio[19] = 0xff;
    assert_int_equal(virtio_queue_create(device, 34, 8, 0, &queue), ERR_NODEV);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scan),
        cmocka_unit_test(test_multi_function),
        cmocka_unit_test(test_capability_loop),
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_assigned_address),
        cmocka_unit_test(test_bad_capabilities),
        cmocka_unit_test(test_doorbell_outside),
    };
    return cmocka_run_group_tests_name("virtio_pci", tests, NULL, NULL);
}
