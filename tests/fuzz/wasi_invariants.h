/*
 * What must hold between any two calls of a guest, whatever it called: of the descriptor table, of
 * the file tree, and of memory. Each function aborts with a message where it does not.
 */
#pragma once

#include "fs/vfs.h"

/* Every number leads to a descriptor that knows it; rights only those that apply. */
void check_descriptors(void);
/*
 * Walks the tree: directories are entered once, names are legal and found again, types agree,
 * link counts are those of the names that there are (open files may have none).
 */
void check_tree(struct vfs_node *root);
/* After the tree is gone: nothing is allocated. */
void check_memory(void);
