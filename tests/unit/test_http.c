/* The example server's HTTP parser: examples/static-file-server/http.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "examples/static-file-server/http.h"

static struct http_request request;

/* Parses from a heap copy of exact size, so that the sanitizer sees any over-read. */
static int parse(const char *text)
{
    size_t size = strlen(text);
    char *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    memcpy(copy, text, size);
    int result = http_parse(copy, size, &request);
    free(copy);
    return result;
}

static void test_simple_get(void **state)
{
    (void)state;
    const char *text = "GET /a/b.html?q=1 HTTP/1.1\r\nHost: x\r\n\r\nrest";
    assert_int_equal(parse(text), strlen(text) - 4);
    assert_int_equal(request.method, HTTP_GET);
    assert_string_equal(request.path, "a/b.html");
    assert_true(request.keep_alive);
    assert_false(request.path_is_directory);
}

static void test_incomplete_wants_more(void **state)
{
    (void)state;
    const char *text = "HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    char part[64];
    for (size_t i = 0; i < strlen(text); i++) {
        memcpy(part, text, i);
        part[i] = 0;
        assert_int_equal(parse(part), 0);
    }
    assert_int_equal(parse(text), strlen(text));
    assert_int_equal(request.method, HTTP_HEAD);
    assert_true(request.keep_alive);
    assert_true(request.path_is_directory);
}

static void test_connection_header(void **state)
{
    (void)state;
    assert_true(parse("GET / HTTP/1.1\r\nConnection: close\r\n\r\n") > 0);
    assert_false(request.keep_alive);
    assert_false(request.is_version_1_0);
    assert_true(parse("GET / HTTP/1.0\r\n\r\n") > 0);
    assert_false(request.keep_alive);
    assert_true(request.is_version_1_0);
    assert_true(parse("GET / HTTP/1.1\r\nconnection: upgrade, close\r\n\r\n") > 0);
    assert_false(request.keep_alive);
}

static void test_path_cannot_escape(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "/..", "/../x", "/a/../../x", "/%2e%2e/x", "/a/%2E%2e/../../x", "/%00", "/%zz", "x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[128] = "GET ";
        strcat(text, bad[i]);
        strcat(text, " HTTP/1.1\r\n\r\n");
        assert_int_equal(parse(text), -400);
    }
    assert_true(parse("GET /a/./b//c/../d HTTP/1.1\r\n\r\n") > 0);
    assert_string_equal(request.path, "a/b/d");
    assert_true(parse("GET /a/%2e%2e%2fb HTTP/1.1\r\n\r\n") > 0);
    assert_string_equal(request.path, "b");
    assert_true(parse("GET http://host:80/x HTTP/1.1\r\n\r\n") > 0);
    assert_string_equal(request.path, "x");
}

static void test_errors(void **state)
{
    (void)state;
    assert_int_equal(parse("GET\r\n\r\n"), -400);
    assert_int_equal(parse("GET / HTTP/2.0\r\n\r\n"), -505);
    assert_int_equal(parse("GET / HTTP/1.1\r\nbad header\r\n\r\n"), -400);
    assert_int_equal(parse("GET / HTTP/1.1\r\nContent-Length: 1x\r\n\r\n"), -400);
    assert_int_equal(parse("GET / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n"), -400);
    assert_int_equal(parse("GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
                     -400);
    assert_int_equal(parse("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"), -501);
    char text[4096] = "GET /";
    memset(text + 5, 'a', 2000);
    strcpy(text + 2005, " HTTP/1.1\r\n\r\n");
    assert_int_equal(parse(text), -414);
}

static void test_ranges(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        uint64_t size;
        int status;
        uint64_t first, count;
    } cases[] = {
        {"bytes=0-9", 100, 206, 0, 10},
        {"bytes=90-", 100, 206, 90, 10},
        {"bytes=-5", 100, 206, 95, 5},
        {"bytes=-500", 100, 206, 0, 100},
        {"bytes=50-500", 100, 206, 50, 50},
        {"bytes=100-", 100, 416, 0, 0},
        {"bytes=-0", 100, 416, 0, 0},
        {"bytes=9-5", 100, 200, 0, 100},
        {"bytes=1-2,4-5", 100, 200, 0, 100},
        {"chars=1-2", 100, 200, 0, 100},
        {"bytes=0-18446744073709551615", 100, 206, 0, 100},
        {"bytes=0-0", 0, 416, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[128] = "GET / HTTP/1.1\r\nRange: ";
        strcat(text, cases[i].header);
        strcat(text, "\r\n\r\n");
        assert_true(parse(text) > 0);
        uint64_t first, count;
        assert_int_equal(http_apply_range(&request, cases[i].size, &first, &count),
                         cases[i].status);
        if (cases[i].status != 416) {
            assert_int_equal(first, cases[i].first);
            assert_int_equal(count, cases[i].count);
        }
    }
}

static void test_media_types(void **state)
{
    (void)state;
    assert_string_equal(http_media_type("a/index.HTML"), "text/html; charset=utf-8");
    assert_string_equal(http_media_type("x.tar.gz"), "application/gzip");
    assert_string_equal(http_media_type("a.b/noextension"), "application/octet-stream");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_simple_get),
        cmocka_unit_test(test_incomplete_wants_more),
        cmocka_unit_test(test_connection_header),
        cmocka_unit_test(test_path_cannot_escape),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_media_types),
    };
    return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
