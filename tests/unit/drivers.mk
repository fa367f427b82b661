# Unit tests of drivers: see the Makefile's UNIT_TESTS.
DRIVERS_FAKES := tests/unit/fake_machine.c tests/unit/fake_virtio.c
UNIT_TESTS += test_virtqueue
test_virtqueue_SRCS := tests/unit/test_virtqueue.c drivers/virtqueue.c drivers/virtio.c $(DRIVERS_FAKES)
