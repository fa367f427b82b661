/* usage: app [--tar FILE] [--dir GUEST]... [--env K=V]... [-- args...] */
#include "tests/wasi/hosted.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "fs/fs.h"
#include "tests/unit/fake_wasi.h"
#include "wasi/instance.h"

#define LIST_MAX 64

static Z_app_instance_t app;
static struct wasm_memory memory;
static const struct wasm_module module = {.memory = &memory};

void hosted_enter(void)
{
    wasm_rt_memory_t *current = Z_appZ_memory(&app);

    memory.base = current->data;
    memory.size_bytes = current->size;
}

static void *read_file(const char *path, size_t *size_bytes)
{
    FILE *file = fopen(path, "rb");
    void *data;

    if (file == NULL) {
        perror(path);
        exit(2);
    }
    fseek(file, 0, SEEK_END);
    *size_bytes = (size_t)ftell(file);
    rewind(file);
    data = malloc(*size_bytes);
    if (fread(data, 1, *size_bytes, file) != *size_bytes) {
        exit(2);
    }
    fclose(file);
    return data;
}

static void show_output(void)
{
    fwrite(fake_kernel.output[1], 1, fake_kernel.output_bytes[1], stdout);
    fwrite(fake_kernel.output[2], 1, fake_kernel.output_bytes[2], stderr);
}

int main(int argc, char **argv)
{
    static const char *arguments[LIST_MAX];
    static const char *environment[LIST_MAX];
    static struct wasi_preopen preopens[LIST_MAX];
    static struct wasi_config config = {.module = &module,
                                        .arguments = arguments,
                                        .environment = environment,
                                        .preopens = preopens};
    struct vfs_node *root = NULL;
    size_t tar_bytes = 0;
    void *tar = NULL;
    int i;

    arguments[config.argument_count++] = "app.wasm";
    for (i = 1; i + 1 < argc && strcmp(argv[i], "--") != 0; i += 2) {
        if (strcmp(argv[i], "--tar") == 0) {
            tar = read_file(argv[i + 1], &tar_bytes);
        } else if (strcmp(argv[i], "--env") == 0) {
            environment[config.environment_count++] = argv[i + 1];
        } else if (strcmp(argv[i], "--dir") == 0) {
            preopens[config.preopen_count++].guest_path = argv[i + 1];
        }
    }
    for (i++; i < argc; i++) {
        arguments[config.argument_count++] = argv[i];
    }
    wasm_rt_init();
    Z_app_init_module();
    Z_app_instantiate(&app, NULL);
    hosted_enter();
    if (fs_create(tar, tar_bytes, 0, &root) != ERR_OK) {
        return 2;
    }
    for (size_t p = 0; p < config.preopen_count; p++) {
        if (fs_open_preopen(root, preopens[p].guest_path, &preopens[p].directory) != ERR_OK) {
            return 2;
        }
    }
    fake_begin(&config);
    fake_kernel.input_ended = true;
    if (setjmp(fake_kernel.exit_jump) == 0) {
        Z_appZ__start(&app);
        wasi_instance_end();
    }
    show_output();
    return (int)fake_kernel.exit_code;
}
