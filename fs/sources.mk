# Sources of fs/, relative to the project's root; one file a line.
FS_SRCS :=
