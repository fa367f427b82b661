# Unit tests of fs: see the Makefile's UNIT_TESTS.
FS_TEST_TREE := fs/budget.c fs/fs.c fs/path.c fs/ramfs.c fs/ramfs_data.c fs/ramfs_names.c \
    fs/siphash.c fs/tar_reader.c fs/tarfs.c fs/vfs.c fs/vfs_names.c tests/unit/fake_fs_kernel.c

UNIT_TESTS += test_tar_reader
test_tar_reader_SRCS := tests/unit/test_tar_reader.c tests/unit/tar_builder.c fs/tar_reader.c

UNIT_TESTS += test_ramfs_data
test_ramfs_data_SRCS := tests/unit/test_ramfs_data.c fs/ramfs_data.c fs/budget.c \
    tests/unit/fake_fs_kernel.c

UNIT_TESTS += test_vfs_path
test_vfs_path_SRCS := tests/unit/test_vfs_path.c tests/unit/vfs_helpers.c $(FS_TEST_TREE)

UNIT_TESTS += test_vfs_names
test_vfs_names_SRCS := tests/unit/test_vfs_names.c tests/unit/vfs_helpers.c $(FS_TEST_TREE)

UNIT_TESTS += test_tarfs
test_tarfs_SRCS := tests/unit/test_tarfs.c tests/unit/vfs_helpers.c tests/unit/tar_builder.c \
    $(FS_TEST_TREE)

UNIT_TESTS += test_mktar
test_mktar_SRCS := tests/unit/test_mktar.c tests/unit/vfs_helpers.c $(FS_TEST_TREE)

FS_TEST_EXT := $(sort $(wildcard fs/ext/*.c)) fs/siphash.c fs/path.c fs/vfs.c fs/vfs_names.c \
    tests/unit/fake_fs_kernel.c tests/unit/fake_disk.c

UNIT_TESTS += test_ext
test_ext_SRCS := tests/unit/test_ext.c tests/fuzz/fs_steps.c tests/fuzz/fs_model.c tests/unit/vfs_helpers.c \
    $(FS_TEST_EXT)

UNIT_TESTS += test_ext_crash
test_ext_crash_SRCS := tests/unit/test_ext_crash.c tests/unit/vfs_helpers.c $(FS_TEST_EXT)

FS_TEST_P9 := $(sort $(wildcard fs/p9/*.c)) fs/path.c fs/vfs.c fs/vfs_names.c kernel/base/fmt.c \
    tests/unit/fake_fs_kernel.c

UNIT_TESTS += test_p9
test_p9_SRCS := tests/unit/test_p9.c tests/unit/fake_p9.c tests/fuzz/fs_steps.c tests/fuzz/fs_model.c \
    tests/unit/vfs_helpers.c $(FS_TEST_P9)
