# Unit tests of drivers: see the Makefile's UNIT_TESTS.
DRIVERS_FAKES := tests/unit/fake_machine.c tests/unit/fake_virtio.c
UNIT_TESTS += test_virtqueue
test_virtqueue_SRCS := tests/unit/test_virtqueue.c drivers/virtqueue.c drivers/virtio.c $(DRIVERS_FAKES)
UNIT_TESTS += test_virtio_net
test_virtio_net_SRCS := tests/unit/test_virtio_net.c drivers/virtio_net.c \
    drivers/virtio_net_receive.c drivers/virtqueue.c drivers/virtio.c $(DRIVERS_FAKES)
UNIT_TESTS += test_virtio_blk
test_virtio_blk_SRCS := tests/unit/test_virtio_blk.c drivers/virtio_blk.c drivers/virtio_request.c \
    drivers/virtqueue.c drivers/virtio.c $(DRIVERS_FAKES)
UNIT_TESTS += test_virtio_9p
test_virtio_9p_SRCS := tests/unit/test_virtio_9p.c drivers/virtio_9p.c drivers/virtio_request.c \
    drivers/virtqueue.c drivers/virtio.c $(DRIVERS_FAKES)
UNIT_TESTS += test_virtio_console
test_virtio_console_SRCS := tests/unit/test_virtio_console.c drivers/virtio_console.c \
    drivers/virtio_console_port.c drivers/virtqueue.c drivers/virtio.c $(DRIVERS_FAKES)
UNIT_TESTS += test_virtio_mmio
test_virtio_mmio_SRCS := tests/unit/test_virtio_mmio.c drivers/virtio_mmio.c \
    drivers/virtio_config.c drivers/virtqueue.c drivers/virtio.c kernel/cmdline.c \
    kernel/base/fmt.c $(DRIVERS_FAKES)
# tests/unit/fake_io stands in for the port and device memory instructions.
UNIT_TESTS += test_virtio_pci
test_virtio_pci_FLAGS := -iquote tests/unit/fake_io
test_virtio_pci_SRCS := tests/unit/test_virtio_pci.c tests/unit/fake_pci.c drivers/pci.c \
    drivers/virtio_pci.c drivers/virtio_config.c drivers/virtqueue.c drivers/virtio.c \
    kernel/base/fmt.c tests/unit/fake_machine.c
