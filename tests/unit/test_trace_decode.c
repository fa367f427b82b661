/* WASI calls as text: kinds of arguments and results, and guests that point anywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/fake_wasi.h"
#include "trace/decode.h"
#include "trace/formats.h"
#include "wasi/types.h"

enum { PATH = 0x1000, IOV = 0x2000, OUT = 0x3000, DATA = 0x4000, EVENTS = 0x6000 };

static struct wasi_config config;

static int set_up(void **state)
{
    (void)state;
    config = (struct wasi_config){0};
    fake_begin(&config);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_end();
    return 0;
}

static const char *shown(const struct trace_text *text)
{
    static char line[TRACE_TEXT_BYTES + 1];

    memcpy(line, text->bytes, text->used_bytes);
    line[text->used_bytes] = '\0';
    return line;
}

#define CALLED(function, want, ...)                                                                \
    do {                                                                                           \
        struct trace_text text = {0};                                                              \
        trace_decode_call(&text, "call", format_##function, (const uint64_t[10]){__VA_ARGS__});    \
        assert_string_equal(shown(&text), want);                                                   \
    } while (0)
#define RETURNED(function, result, want, ...)                                                      \
    do {                                                                                           \
        struct trace_text text = {0};                                                              \
        trace_decode_result(&text, format_##function, (const uint64_t[10]){__VA_ARGS__}, result);  \
        assert_string_equal(shown(&text), want);                                                   \
    } while (0)

static void paths_and_flags(void **state)
{
    (void)state;
    uint32_t length = guest_put_text(PATH, "a/b \"c\"\n\x1b[31m\xff");
    CALLED(wasi_path_open,
           "call(fd=3, lookup=FOLLOW, path=\"a/b \\\"c\\\"\\n\\x1b[31m\\xff\", "
           "oflags=CREAT|TRUNC, rights=0x42, inheriting=0x0, flags=APPEND|0x20)",
           3, 1, PATH, length, 9, 0x42, 0, 0x21, OUT);
    guest_put_u32(OUT, 7);
    RETURNED(wasi_path_open, 0, " = 0 fd=7", 3, 1, PATH, length, 9, 0x42, 0, 0x21, OUT);
    RETURNED(wasi_path_open, 44, " = 44 NOENT", 3, 1, PATH, length, 9, 0x42, 0, 0x21, OUT);
    RETURNED(wasi_path_open, 200, " = 200 ?", 3, 1, PATH, length, 9, 0x42, 0, 0x21, OUT);
}

static void long_paths_are_cut(void **state)
{
    struct trace_text text = {0};

    (void)state;
    memset(guest_at(PATH), 'x', 4000);
    trace_decode_call(&text, "call", format_wasi_path_unlink_file,
                      (const uint64_t[10]){3, PATH, 4000});
    assert_true(text.used_bytes < 160);
    assert_memory_equal(text.bytes + text.used_bytes - 5, "\"...)", 5);
}

static void vectors(void **state)
{
    (void)state;
    guest_put_iovec(IOV, DATA, guest_put_text(DATA, "hello, "));
    guest_put_iovec(IOV + 8, DATA + 100, guest_put_text(DATA + 100, "world"));
    CALLED(wasi_fd_write, "call(fd=1, data=[2] 12 bytes \"hello, world\")", 1, IOV, 2, OUT);
    guest_put_u32(OUT, 12);
    RETURNED(wasi_fd_write, 0, " = 0 written=12", 1, IOV, 2, OUT);
    CALLED(wasi_fd_read, "call(fd=0, data=[2] 12 bytes)", 0, IOV, 2, OUT);
    guest_put_u32(OUT, 9);
    RETURNED(wasi_fd_read, 0, " = 0 data=\"hello, wo\", read=9", 0, IOV, 2, OUT);
}

static void texts_that_come_back(void **state)
{
    (void)state;
    guest_put_text(DATA, "target");
    guest_put_u32(OUT, 6);
    RETURNED(wasi_path_readlink, 0, " = 0 target=\"target\", used=6", 3, PATH, 1, DATA, 100, OUT);
    RETURNED(wasi_fd_prestat_dir_name, 0, " = 0 path=\"targ\"", 3, DATA, 4);
}

static void polling(void **state)
{
    (void)state;
    guest_put_u64(DATA, 11);
    *guest_at(DATA + 8) = WASI_EVENT_CLOCK;
    guest_put_u32(DATA + 16, WASI_CLOCK_MONOTONIC);
    guest_put_u64(DATA + 24, 5000);
    guest_put_u64(DATA + 48, 12);
    *guest_at(DATA + 56) = WASI_EVENT_FD_READ;
    guest_put_u32(DATA + 64, 9);
    CALLED(wasi_poll_oneoff, "call([2] clock MONOTONIC +5000 ns, read 9)", DATA, EVENTS, 2, OUT);
    guest_put_u32(OUT, 1);
    guest_put_u64(EVENTS, 12);
    guest_put_u32(EVENTS + 8, 8); /* BADF */
    *guest_at(EVENTS + 10) = WASI_EVENT_FD_READ;
    RETURNED(wasi_poll_oneoff, 0, " = 0 1 events: read 9 BADF", DATA, EVENTS, 2, OUT);
}

static void addresses(void **state)
{
    static const uint8_t bytes[] = {192, 0, 2, 1};

    (void)state;
    memcpy(guest_at(DATA), bytes, sizeof(bytes));
    guest_put_u32(OUT, DATA);
    guest_put_u32(OUT + 4, 4);
    CALLED(wasi_edge_sock_connect, "call(fd=4, address=192.0.2.1:80)", 4, OUT, 80);
    RETURNED(wasi_edge_sock_getpeeraddr_v2, 0, " = 0 address=192.0.2.1, port=0", 4, OUT, EVENTS);
    guest_put_u32(DATA + 100, 0); /* WAMR: IPv4 */
    memcpy(guest_at(DATA + 104), bytes, sizeof(bytes));
    guest_put_u32(DATA + 108, 443);
    CALLED(wasi_wamr_sock_connect, "call(fd=4, address=192.0.2.1:443)", 4, DATA + 100);
}

static void stats(void **state)
{
    (void)state;
    *guest_at(OUT + 16) = WASI_FILETYPE_REGULAR_FILE;
    guest_put_u64(OUT + 8, 77);
    guest_put_u64(OUT + 32, 1234);
    RETURNED(wasi_fd_filestat_get, 0, " = 0 stat={regular-file, 1234 bytes, inode 77}", 3, OUT);
    CALLED(wasi_fd_seek, "call(fd=3, offset=-5, whence=END)", 3, (uint64_t)-5, 2, OUT);
}

static void outside_memory(void **state)
{
    (void)state;
    CALLED(wasi_path_unlink_file, "call(fd=-1, path=0xfffffff0+32 outside memory)", 0xffffffff,
           0xfffffff0, 32);
    CALLED(wasi_fd_write, "call(fd=1, data=0xfffffff0[2] not a vector)", 1, 0xfffffff0, 2, OUT);
    CALLED(wasi_fd_write, "call(fd=1, data=0x2000[4000000000] not a vector)", 1, IOV, 4000000000u,
           OUT);
    RETURNED(wasi_path_open, 0, " = 0 fd=?", 3, 1, PATH, 1, 9, 0x42, 0, 0, 0xffffffff);
    CALLED(wasi_poll_oneoff, "call([2] outside memory)", 0xfffffff0, EVENTS, 2, OUT);
    CALLED(wasi_edge_sock_connect, "call(fd=4, address=0xfffffffc not an address)", 4, 0xfffffffc,
           80);
    CALLED(wasi_wamr_sock_addr_resolve,
           "call(host=NULL, service=\"\", hints=0x0, results=0x0, room=0)", 0, 0xfffffff0, 0, 0, 0,
           0);
}

/* Every format agrees with the signature of its function: as many arguments as there are. */
static unsigned format_arguments(const char *format)
{
    static const char two[] = "pwrbQA";
    unsigned count = 0;

    for (; *format != '\0'; format++) {
        if (*format == ':') {
            format++;
            count += *format == 'S' || *format == 'Z' ? 3 : strchr(two, *format) != NULL ? 2 : 1;
        }
    }
    return count;
}

static void formats_fit_signatures(void **state)
{
    static const struct {
        const char *name;
        const char *signature;
        const char *format;
    } all[] = {
#define IMPORT(module, field, signature, function) {#field, #signature, format_##function},
#include "wasi/imports.def"
#undef IMPORT
    };

    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        size_t parameters = strcspn(all[i].signature, "_");
        if (all[i].signature[0] == 'v') {
            parameters = 0;
        }
        if (format_arguments(all[i].format) != parameters) {
            fail_msg("%s %s: the format has %u arguments", all[i].name, all[i].signature,
                     format_arguments(all[i].format));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(paths_and_flags, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_paths_are_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(vectors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(texts_that_come_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(polling, set_up, tear_down),
        cmocka_unit_test_setup_teardown(addresses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stats, set_up, tear_down),
        cmocka_unit_test_setup_teardown(outside_memory, set_up, tear_down),
        cmocka_unit_test(formats_fit_signatures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
