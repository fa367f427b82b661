# Sources of wasi/, relative to the project's root; one file a line.
WASI_SRCS :=
