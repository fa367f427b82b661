/*
 * Sequences of imported functions with arbitrary arguments on arbitrary memory: what a hostile
 * guest can do. The real file system stands behind it; sockets and the resolver are
 * fakes. Guest memory is a heap block of exactly its size, so that a stray access shows. Some
 * allocations fail. After each call the descriptor table must be sound, at the end the file tree
 * and the account of memory (wasi_invariants.h). Each call is decoded as a trace would show it,
 * too.
 */
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/fs.h"
#include "fs/ramfs.h"
#include "tests/fuzz/wasi_invariants.h"
#include "tests/unit/fail_nth.h"
#include "tests/unit/fake_dns.h"
#include "tests/unit/fake_net_socket.h"
#include "tests/unit/fake_wasi.h"
#include "trace/decode.h"
#include "trace/formats.h"
#include "wasi/calls.h"
#include "wasi/guest_memory.h"
#include "wasi/instance.h"

#define MEMORY_BYTES WASM_PAGE_BYTES
#define FILES_BYTES  (4u << 20)
#define ERRNO_LIMIT  88u
#define ARGUMENTS    9

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One caller for each signature that imports.def has. */
#define U32(n) (uint32_t)a[n]
#define CALLER(signature, ...)                                                                     \
    static uint32_t call_##signature(uint32_t (*f)(__VA_ARGS__), const uint64_t *a)
CALLER(v_i, void)
{
    (void)a;
    return f();
}
CALLER(i_i, uint32_t)
{
    return f(U32(0));
}
CALLER(ii_i, uint32_t, uint32_t)
{
    return f(U32(0), U32(1));
}
CALLER(iii_i, uint32_t, uint32_t, uint32_t)
{
    return f(U32(0), U32(1), U32(2));
}
CALLER(iiii_i, uint32_t, uint32_t, uint32_t, uint32_t)
{
    return f(U32(0), U32(1), U32(2), U32(3));
}
CALLER(iiiii_i, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t)
{
    return f(U32(0), U32(1), U32(2), U32(3), U32(4));
}
CALLER(iiiiii_i, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t)
{
    return f(U32(0), U32(1), U32(2), U32(3), U32(4), U32(5));
}
CALLER(iiiiiii_i, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t)
{
    return f(U32(0), U32(1), U32(2), U32(3), U32(4), U32(5), U32(6));
}
CALLER(iiiiiiii_i, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t)
{
    return f(U32(0), U32(1), U32(2), U32(3), U32(4), U32(5), U32(6), U32(7));
}
CALLER(iI_i, uint32_t, uint64_t)
{
    return f(U32(0), a[1]);
}
CALLER(iII_i, uint32_t, uint64_t, uint64_t)
{
    return f(U32(0), a[1], a[2]);
}
CALLER(iIi_i, uint32_t, uint64_t, uint32_t)
{
    return f(U32(0), a[1], U32(2));
}
CALLER(iIii_i, uint32_t, uint64_t, uint32_t, uint32_t)
{
    return f(U32(0), a[1], U32(2), U32(3));
}
CALLER(iIIi_i, uint32_t, uint64_t, uint64_t, uint32_t)
{
    return f(U32(0), a[1], a[2], U32(3));
}
CALLER(iiiIi_i, uint32_t, uint32_t, uint32_t, uint64_t, uint32_t)
{
    return f(U32(0), U32(1), U32(2), a[3], U32(4));
}
CALLER(iiiiIIi_i, uint32_t, uint32_t, uint32_t, uint32_t, uint64_t, uint64_t, uint32_t)
{
    return f(U32(0), U32(1), U32(2), U32(3), a[4], a[5], U32(6));
}
CALLER(iiiiiIIii_i, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint64_t, uint64_t, uint32_t,
       uint32_t)
{
    return f(U32(0), U32(1), U32(2), U32(3), U32(4), a[5], a[6], U32(7), U32(8));
}

static uint32_t call_i_v(void (*f)(uint32_t), const uint64_t *a)
{
    f(U32(0));
    return 0;
}

enum {
#define IMPORT(module, field, signature, function) CALL_##module##_##field##_##signature,
#include "wasi/imports.def"
#undef IMPORT
    CALL_COUNT
};

static uint32_t call(unsigned which, const uint64_t *a)
{
    switch (which) {
#define IMPORT(module, field, signature, function)                                                 \
    case CALL_##module##_##field##_##signature:                                                    \
        return call_##signature(function, a);
#include "wasi/imports.def"
#undef IMPORT
    default:
        return 0;
    }
}

static const struct {
    const char *name;
    const char *format;
} traced[] = {
#define IMPORT(module, field, signature, function) {#field, format_##function},
#include "wasi/imports.def"
#undef IMPORT
};

/* The call, and what a trace makes of it: printable, whatever the guest's memory holds. */
static uint32_t call_traced(unsigned which, const uint64_t *arguments)
{
    static struct trace_text text;

    trace_text_clear(&text);
    trace_decode_call(&text, traced[which].name, traced[which].format, arguments);
    uint32_t result = call(which, arguments);
    trace_decode_result(&text, traced[which].format, arguments, result);
    for (size_t i = 0; i < text.used_bytes; i++) {
        if (text.bytes[i] < 0x20 || text.bytes[i] > 0x7e) {
            abort();
        }
    }
    return result;
}

struct input {
    const uint8_t *data;
    size_t left;
};

static uint8_t take(struct input *input)
{
    if (input->left == 0) {
        return 0;
    }
    input->left--;
    return *input->data++;
}

/* Mostly small numbers and addresses near something useful; sometimes anything. */
static uint64_t take_argument(struct input *input)
{
    uint8_t kind = take(input);
    uint64_t value = 0;

    switch (kind & 7) {
    case 0:
    case 1:
        return kind >> 3;
    case 2:
    case 3:
        return (uint64_t)take(input) << 4;
    case 4:
        return MEMORY_BYTES - (kind >> 3);
    case 5:
        return UINT64_MAX >> (kind >> 3);
    case 6:
        return (1ull << 30) - 1;
    default:
        for (int i = 0; i < 8; i++) {
            value = value << 8 | take(input);
        }
        return value;
    }
}

static void poke(struct input *input, uint8_t *memory)
{
    uint32_t at = (uint32_t)(take(input) << 4);
    uint8_t size = take(input);

    for (uint8_t i = 0; i < size; i++) {
        memory[at + i] = take(input);
    }
}

static jmp_buf asleep;

/* Waiting ends at once; a guest that would sleep for ever is at its end. */
static bool wake_or_leave(void)
{
    static unsigned round;

    if (++round % 64 == 0) {
        longjmp(asleep, 1);
    }
    if (fake_socket_last != NULL && round % 8 == 0 && fake_socket_count != 0) {
        fake_kernel.now_ns += 1000000;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct wasi_listener listener = {{0, 0, 0, 0}, 80};
    static const char *const strings[] = {"one", "two=2"};
    struct wasi_preopen preopen = {.guest_path = "/"};
    struct wasm_memory memory = {.base = calloc(1, MEMORY_BYTES), .size_bytes = MEMORY_BYTES};
    struct wasm_module module = {.memory = &memory};
    struct wasi_config config = {
        .module = &module,
        .arguments = strings,
        .argument_count = 2,
        .environment = strings,
        .environment_count = 2,
        .preopens = &preopen,
        .preopen_count = 1,
        .listeners = &listener,
        .listener_count = 1,
        .network = (struct net_stack *)&config,
    };
    struct input input = {data, size};
    struct vfs_node *root;

    memset(&fake_kernel, 0, sizeof(fake_kernel));
    memset(&fake_dns, 0, sizeof(fake_dns));
    fake_dns.result.address_count = 2;
    if (fs_create(NULL, 0, FILES_BYTES, &root) != ERR_OK ||
        fs_open_preopen(root, "/", &preopen.directory) != ERR_OK) {
        abort();
    }
    size_t blocks = fake_kernel.allocations;
    size_t pages = fake_kernel.pages;
    fake_begin(&config);
    fake_kernel.allocations += blocks;
    fake_kernel.pages += pages;
    fake_kernel.input = "some input";
    fake_kernel.input_ended = true;
    fake_kernel.on_wait = wake_or_leave;
    fake_kernel.allocations_ignored = true;
    fake_connect_answer = ERR_INPROGRESS;
    /* Two ways out of a call that does not return: proc_exit (or proc_raise), and sleep. */
    if (setjmp(asleep) == 0 && setjmp(fake_kernel.exit_jump) == 0) {
        while (input.left != 0) {
            unsigned which = take(&input) % (CALL_COUNT + 16);
            uint64_t arguments[ARGUMENTS + 1] = {0};

            if (which == CALL_COUNT) {
                fail_nth_start(take(&input), FAIL_NTH_ONCE);
                continue;
            }

            if (which >= CALL_COUNT) {
                poke(&input, memory.base);
                continue;
            }
            for (int i = 0; i < ARGUMENTS; i++) {
                arguments[i] = take_argument(&input);
            }
            if (call_traced(which, arguments) >= ERRNO_LIMIT) {
                abort();
            }
            check_descriptors();
            fake_kernel.output_bytes[1] = 0;
            fake_kernel.output_bytes[2] = 0;
        }
    }
    fake_kernel.on_wait = NULL;
    (void)fail_nth_stop();
    check_descriptors();
    check_tree(root);
    fake_end();
    if (fake_socket_count != 0) {
        abort();
    }
    ramfs_destroy(root);
    check_memory();
    free(memory.base);
    return 0;
}
