# Unit tests of drivers: see the Makefile's UNIT_TESTS.
DRIVERS_FAKES := tests/unit/fake_machine.c tests/unit/fake_virtio.c
UNIT_TESTS += test_virtqueue
test_virtqueue_SRCS := tests/unit/test_virtqueue.c drivers/virtqueue.c drivers/virtio.c $(DRIVERS_FAKES)
UNIT_TESTS += test_virtio_net
test_virtio_net_SRCS := tests/unit/test_virtio_net.c drivers/virtio_net.c \
    drivers/virtio_net_receive.c drivers/virtqueue.c drivers/virtio.c $(DRIVERS_FAKES)
