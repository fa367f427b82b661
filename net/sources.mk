# Sources of net/, relative to the project's root; one file a line.
NET_SRCS :=
