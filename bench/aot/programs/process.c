/*
 * A WASI program that waferc compiled, as a Linux process: linear memory at wasm_memory
 * (0x60000000 by the linker), the WASI layer and the file system of the kernel, the rest of
 * the kernel from the unit tests' fakes. Console output goes to the process's own.
 *
 * usage: PROGRAM FILES.tar ARGUMENTS...     (the tar is the guest's /)
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/fs.h"
#include "kernel/base/wasm_abi.h"
#include "kernel/console.h"
#include "tests/unit/fake_wasi.h"
#include "wasi/instance.h"

extern uint8_t wasm_memory[];
extern const struct wasm_module wasm_module;

/* In place of the fake's buffers (ld --wrap). */
void __wrap_console_write(enum console_stream stream, const void *data, size_t size_bytes);
void __wrap_console_write(enum console_stream stream, const void *data, size_t size_bytes)
{
    const char *next = data;

    while (size_bytes != 0) {
        ssize_t written = write(stream == CONSOLE_STDOUT ? 1 : 2, next, size_bytes);
        if (written <= 0) {
            _exit(1);
        }
        next += written;
        size_bytes -= (size_t)written;
    }
}

uint64_t wasm_rt_memory_grow(struct wasm_memory *memory, uint64_t delta_pages)
{
    uint64_t old_pages = memory->size_bytes / WASM_PAGE_BYTES;

    if (delta_pages > 65536 - old_pages || delta_pages > memory->maximum_pages - old_pages ||
        mprotect(memory->base + memory->size_bytes, delta_pages * WASM_PAGE_BYTES,
                 PROT_READ | PROT_WRITE) != 0) {
        return UINT64_MAX;
    }
    memory->size_bytes += delta_pages * WASM_PAGE_BYTES;
    return old_pages;
}

uint64_t wasm_rt_table_grow(struct wasm_table *table, uint64_t delta)
{
    uint64_t old_size = table->size;
    void *base;

    if (delta > table->maximum - old_size || delta > UINT32_MAX) {
        return UINT64_MAX;
    }
    base = realloc(table->base, (old_size + delta) * table->element_bytes + 1);
    if (base == NULL) {
        return UINT64_MAX;
    }
    memset((char *)base + old_size * table->element_bytes, 0, delta * table->element_bytes);
    table->base = base;
    table->size = old_size + delta;
    return old_size;
}

static const void *map_file(const char *path, size_t *size_bytes)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    void *data = MAP_FAILED;

    if (file >= 0 && fstat(file, &status) == 0) {
        *size_bytes = (size_t)status.st_size;
        data = mmap(NULL, *size_bytes, PROT_READ, MAP_PRIVATE, file, 0);
    }
    if (data == MAP_FAILED) {
        perror(path);
        exit(2);
    }
    return data;
}

static void map_memory(struct wasm_memory *memory)
{
    void *base = mmap(wasm_memory, WASM_MEMORY_RESERVED_BYTES, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);

    memory->base = base;
    memory->size_bytes = 0;
    if (base == MAP_FAILED || wasm_rt_memory_grow(memory, memory->minimum_pages) != 0) {
        perror("mmap");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    static const char *environment[] = {"PATH=/"};
    static struct wasi_preopen root = {.guest_path = "/"};
    static struct wasi_config config = {.module = &wasm_module,
                                        .environment = environment,
                                        .environment_count = 1,
                                        .preopens = &root,
                                        .preopen_count = 1};
    struct vfs_node *files = NULL;
    size_t tar_bytes = 0;
    const void *tar;

    if (argc < 2) {
        fprintf(stderr, "usage: %s FILES.tar ARGUMENTS...\n", argv[0]);
        return 2;
    }
    tar = map_file(argv[1], &tar_bytes);
    argv[1] = argv[0];
    config.arguments = (const char *const *)argv + 1;
    config.argument_count = (size_t)argc - 1;
    map_memory(wasm_module.memory);
    if (fs_create(tar, tar_bytes, 0, &files) != ERR_OK ||
        fs_open_preopen(files, root.guest_path, &root.directory) != ERR_OK) {
        fprintf(stderr, "%s: the file system cannot be made\n", argv[0]);
        return 2;
    }
    fake_begin(&config);
    fake_kernel.input_ended = true;
    if (setjmp(fake_kernel.exit_jump) == 0) {
        wasm_module.instantiate();
        wasm_module.start();
        wasi_instance_end();
    }
    return (int)fake_kernel.exit_code;
}
