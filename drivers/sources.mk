# Sources of drivers/, relative to the project's root; one file a line.
DRIVERS_SRCS := \
    drivers/drivers.c \
    drivers/pci.c \
    drivers/virtio.c \
    drivers/virtio_9p.c \
    drivers/virtio_blk.c \
    drivers/virtio_config.c \
    drivers/virtio_console.c \
    drivers/virtio_console_port.c \
    drivers/virtio_mmio.c \
    drivers/virtio_net.c \
    drivers/virtio_net_receive.c \
    drivers/virtio_pci.c \
    drivers/virtio_request.c \
    drivers/virtio_rng.c \
    drivers/virtqueue.c
