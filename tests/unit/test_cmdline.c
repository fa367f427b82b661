#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/cmdline.h"
#include "kernel/mem.h"

static struct cmdline parse(const char *text)
{
    struct cmdline line;
    /* An exact copy without a NUL: ASan sees any read beyond the end. */
    size_t length = strlen(text);
    char *copy = malloc(length + (length == 0 ? 1 : 0));
    memcpy(copy, text, length);
    assert_int_equal(cmdline_parse(copy, length, &line), ERR_OK);
    free(copy);
    return line;
}

static void release(struct cmdline *line)
{
    heap_free((void *)(uintptr_t)line->tokens);
}

static void test_splits_tokens_and_arguments(void **state)
{
    (void)state;
    struct cmdline line = parse("  ip=10.0.0.1/24\tlog=info env.A=b -- first \"second one\" --");
    assert_int_equal(line.token_count, 3);
    assert_string_equal(line.tokens[0], "ip=10.0.0.1/24");
    assert_string_equal(line.tokens[2], "env.A=b");
    assert_int_equal(line.argument_count, 3);
    assert_string_equal(line.arguments[0], "first");
    assert_string_equal(line.arguments[1], "second one");
    assert_string_equal(line.arguments[2], "--");
    release(&line);
}

/* VMMs append devices at the very end; they are no arguments. */
static void test_takes_devices_back(void **state)
{
    (void)state;
    struct cmdline line = parse("log=info -- run virtio_mmio.device=x last "
                                "virtio_mmio.device=1 virtio_mmio.device=2");
    size_t at = 0;
    assert_int_equal(line.token_count, 3);
    assert_string_equal(cmdline_next(&line, "virtio_mmio.device", &at), "1");
    assert_string_equal(cmdline_next(&line, "virtio_mmio.device", &at), "2");
    assert_int_equal(line.argument_count, 3);
    assert_string_equal(line.arguments[0], "run");
    assert_string_equal(line.arguments[1], "virtio_mmio.device=x");
    assert_string_equal(line.arguments[2], "last");
    release(&line);
    line = parse("-- virtio_mmio.device=1");
    assert_int_equal(line.token_count, 1);
    assert_int_equal(line.argument_count, 0);
    release(&line);
}

static void test_quotes_and_escapes(void **state)
{
    (void)state;
    struct cmdline line = parse("a=\"x \\\"y\\\" \\\\ \\n\\x41\" b\"c d\"e \"\" \"--\" z");
    assert_int_equal(line.token_count, 5);
    assert_string_equal(line.tokens[0], "a=x \"y\" \\ \nA");
    assert_string_equal(line.tokens[1], "bc de");
    assert_string_equal(line.tokens[2], "");
    assert_string_equal(line.tokens[3], "--");
    assert_string_equal(line.tokens[4], "z");
    assert_int_equal(line.argument_count, 0);
    release(&line);
}

static void test_refuses_what_is_broken(void **state)
{
    (void)state;
    static const char *const broken[] = {"\"open",    "\"\\q\"", "\"\\x4\"",
                                         "\"\\x00\"", "\"\\",    "\"\\xg1\""};
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        struct cmdline line;
        assert_int_equal(cmdline_parse(broken[i], strlen(broken[i]), &line), ERR_INVAL);
    }
}

static void test_values_and_lists(void **state)
{
    (void)state;
    struct cmdline line = parse("dir=/a log=info dir=/b log=debug env.X=1 logging=3 env.Y= quiet");
    assert_string_equal(cmdline_value(&line, "log"), "debug");
    assert_null(cmdline_value(&line, "quiet"));
    assert_null(cmdline_value(&line, "lo"));
    size_t at = 0;
    assert_string_equal(cmdline_next(&line, "dir", &at), "/a");
    assert_string_equal(cmdline_next(&line, "dir", &at), "/b");
    assert_null(cmdline_next(&line, "dir", &at));
    at = 0;
    assert_string_equal(cmdline_next(&line, "env.", &at), "X=1");
    assert_string_equal(cmdline_next(&line, "env.", &at), "Y=");
    release(&line);
}

static void test_empty_lines(void **state)
{
    (void)state;
    struct cmdline line = parse("");
    assert_int_equal(line.token_count + line.argument_count, 0);
    release(&line);
    line = parse("   ");
    assert_int_equal(line.token_count + line.argument_count, 0);
    release(&line);
    line = parse("--");
    assert_int_equal(line.token_count + line.argument_count, 0);
    release(&line);
}

static void test_numbers(void **state)
{
    (void)state;
    const char *text = "4096@0xfeb00000";
    uint64_t value;
    assert_int_equal(parse_number(&text, UINT64_MAX, &value), ERR_OK);
    assert_int_equal(value, 4096);
    text++;
    assert_int_equal(parse_number(&text, UINT64_MAX, &value), ERR_OK);
    assert_int_equal(value, 0xfeb00000);
    text = "18446744073709551616";
    assert_int_equal(parse_number(&text, UINT64_MAX, &value), ERR_RANGE);
    text = "256";
    assert_int_equal(parse_number(&text, 255, &value), ERR_RANGE);
    text = "x";
    assert_int_equal(parse_number(&text, 255, &value), ERR_INVAL);
    text = "0x";
    assert_int_equal(parse_number(&text, 255, &value), ERR_INVAL);
}

static void test_addresses(void **state)
{
    (void)state;
    uint8_t address[4], prefix;
    uint16_t port;
    assert_int_equal(parse_ipv4("192.168.1.20/24", address, &prefix), ERR_OK);
    assert_int_equal(address[3], 20);
    assert_int_equal(prefix, 24);
    assert_int_equal(parse_ipv4("10.0.0.1", address, &prefix), ERR_OK);
    assert_int_equal(prefix, 32);
    static const char *const bad[] = {"",         "1.2.3",      "1.2.3.4.5", "1.2.3.256",
                                      "1.2.3.4/", "1.2.3.4/33", "1.2.3.4x",  "a.b.c.d"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(parse_ipv4(bad[i], address, &prefix), ERR_INVAL);
    }
    assert_int_equal(parse_endpoint("8080", address, &port), ERR_OK);
    assert_int_equal(port, 8080);
    assert_int_equal(address[0], 0);
    assert_int_equal(parse_endpoint("127.0.0.1:80", address, &port), ERR_OK);
    assert_int_equal(address[0], 127);
    assert_int_equal(parse_endpoint("0", address, &port), ERR_INVAL);
    assert_int_equal(parse_endpoint("65536", address, &port), ERR_INVAL);
    assert_int_equal(parse_endpoint("1.2.3:80", address, &port), ERR_INVAL);
}

static void test_random_bytes_never_overrun(void **state)
{
    (void)state;
    static const char alphabet[] = "ab=.- \"\\nx0\t";
    srand(3);
    for (unsigned round = 0; round < 20000; round++) {
        size_t length = (size_t)rand() % 40;
        char *text = malloc(length + 1);
        for (size_t i = 0; i < length; i++) {
            text[i] = alphabet[(size_t)rand() % (sizeof(alphabet) - 1)];
        }
        char *exact = length == 0 ? text : realloc(text, length);
        struct cmdline line;
        if (cmdline_parse(exact, length, &line) == ERR_OK) {
            for (size_t i = 0; i < line.token_count; i++) {
                assert_true(strlen(line.tokens[i]) <= length);
            }
            release(&line);
        }
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_splits_tokens_and_arguments),
        cmocka_unit_test(test_takes_devices_back),
        cmocka_unit_test(test_quotes_and_escapes),
        cmocka_unit_test(test_refuses_what_is_broken),
        cmocka_unit_test(test_values_and_lists),
        cmocka_unit_test(test_empty_lines),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_random_bytes_never_overrun),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
