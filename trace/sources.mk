# Sources of trace/, relative to the project's root; one file a line. They make libtrace.a, which
# only observed images link (image.mk, OBSERVE).
TRACE_SRCS := \
    kernel/x86/trace_entry.S \
    trace/calls.c \
    trace/decode.c \
    trace/disk.c \
    trace/memory.c \
    trace/mount.c \
    trace/names.c \
    trace/net.c \
    trace/packet.c \
    trace/stats.c \
    trace/text.c \
    trace/trace.c
