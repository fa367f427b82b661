# Fuzz targets of drivers: see the Makefile's FUZZ_TARGETS.
FUZZ_TARGETS += fuzz_virtio_net
fuzz_virtio_net_SRCS := tests/fuzz/fuzz_virtio_net.c drivers/virtio_net.c \
    drivers/virtio_net_receive.c drivers/virtqueue.c drivers/virtio.c \
    tests/unit/fake_machine.c tests/unit/fake_virtio.c
