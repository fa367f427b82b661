/* The kernel's heap on the host: the C library's, so that ASan sees every block. */
#include <stdint.h>
#include <stdlib.h>

#include "kernel/mem.h"

void *heap_allocate(size_t size_bytes)
{
    return size_bytes == 0 ? NULL : malloc(size_bytes);
}

void *heap_allocate_zeroed(size_t count, size_t size_bytes)
{
    return count == 0 || size_bytes == 0 ? NULL : calloc(count, size_bytes);
}

void *heap_resize(void *block, size_t size_bytes)
{
    return size_bytes == 0 ? NULL : realloc(block, size_bytes);
}

void heap_free(void *block)
{
    free(block);
}
