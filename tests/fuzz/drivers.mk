# Fuzz targets of drivers: see the Makefile's FUZZ_TARGETS.
FUZZ_TARGETS += fuzz_virtio_net
fuzz_virtio_net_SRCS := tests/fuzz/fuzz_virtio_net.c drivers/virtio_net.c \
    drivers/virtio_net_receive.c drivers/virtqueue.c drivers/virtio.c \
    tests/unit/fake_machine.c tests/unit/fake_virtio.c
FUZZ_TARGETS += fuzz_virtio_pci
fuzz_virtio_pci_FLAGS := -iquote tests/unit/fake_io
fuzz_virtio_pci_SRCS := tests/fuzz/fuzz_virtio_pci.c tests/unit/fake_pci.c drivers/pci.c \
    drivers/virtio_pci.c drivers/virtio_config.c drivers/virtio_net.c \
    drivers/virtio_net_receive.c drivers/virtqueue.c drivers/virtio.c kernel/base/fmt.c \
    tests/unit/fake_machine.c
FUZZ_TARGETS += fuzz_virtio_devices
fuzz_virtio_devices_SRCS := tests/fuzz/fuzz_virtio_devices.c drivers/virtio_blk.c \
    drivers/virtio_request.c drivers/virtio_console_port.c drivers/virtio_rng.c drivers/virtqueue.c \
    drivers/virtio.c tests/unit/fake_machine.c tests/unit/fake_virtio.c
