# Sources of kernel/, relative to the project's root; one file a line.
KERNEL_SRCS :=
