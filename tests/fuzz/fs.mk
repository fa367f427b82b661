# Fuzz targets of fs: see the Makefile's FUZZ_TARGETS.
FUZZ_TARGETS += fuzz_tar
fuzz_tar_SRCS = tests/fuzz/fuzz_tar.c $(FS_TEST_TREE)

FUZZ_TARGETS += fuzz_vfs
fuzz_vfs_SRCS = tests/fuzz/fuzz_vfs.c tests/fuzz/fs_steps.c tests/fuzz/fs_model.c $(FS_TEST_TREE)

FUZZ_TARGETS += fuzz_ext
fuzz_ext_SRCS = tests/fuzz/fuzz_ext.c $(FS_TEST_EXT)

FUZZ_TARGETS += fuzz_p9
fuzz_p9_SRCS = tests/fuzz/fuzz_p9.c $(FS_TEST_P9)
