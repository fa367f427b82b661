/* A heap on malloc and a failing ASSERT, for modules that need nothing else. */
#include <stdio.h>
#include <stdlib.h>

#include "kernel/base/assert.h"
#include "kernel/mem.h"

void *heap_allocate(size_t size_bytes)
{
    return malloc(size_bytes);
}

void *heap_resize(void *block, size_t size_bytes)
{
    return realloc(block, size_bytes);
}

void heap_free(void *block)
{
    free(block);
}

_Noreturn void assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, condition);
    abort();
}
