/*
 * Random sequences of file operations on the tree in RAM, compared step by step with
 * tests/fuzz/fs_model.c: the same operations succeed, and names and contents agree.
 */
#include "fs/ramfs.h"
#include "kernel/base/assert.h"
#include "tests/fuzz/fs_steps.h"
#include "tests/unit/fake_fs_kernel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct vfs_node *root;
    fake_reset();
    ASSERT(ramfs_create(0, &root) == ERR_OK);
    fs_steps_start();
    fs_steps_run(root, data, size_bytes);
    fs_steps_compare(root);
    ramfs_destroy(root);
    ASSERT(fake_live_pages == 0);
    return 0;
}
