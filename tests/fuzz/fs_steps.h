/*
 * Runs bytes as a sequence of file operations on a tree and on the model beside it, and stops
 * the program where they disagree. One tree at a time.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "fs/vfs.h"

/* The tree that follows is empty. */
void fs_steps_start(void);
void fs_steps_run(struct vfs_node *tree, const uint8_t *data, size_t size_bytes);
/* Compares everything: for a tree that was unmounted and mounted again, say. */
void fs_steps_compare(struct vfs_node *tree);
