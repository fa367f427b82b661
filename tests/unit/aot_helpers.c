#include "tests/unit/aot_helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/hosted/load_module.h"

void aot_load(struct aot_result *result, const uint8_t *bytes, size_t length, uint32_t features)
{
    memset(result, 0, sizeof(*result));
    diag_init(&result->diag, "test");
    arena_init(&result->arena, &result->diag);
    result->module = load_module(&result->arena, &result->diag, bytes, length, features);
}

void aot_unload(struct aot_result *result)
{
    arena_destroy(&result->arena);
}

void aot_expect_refused(const uint8_t *bytes, size_t length, const char *text)
{
    struct aot_result result;
    aot_load(&result, bytes, length, FEATURES_ALL);
    assert_null(result.module);
    if (strstr(result.diag.message, text) == NULL) {
        fail_msg("expected \"%s\" in \"%s\"", text, result.diag.message);
    }
    aot_unload(&result);
}

void aot_expect_valid(const uint8_t *bytes, size_t length)
{
    struct aot_result result;
    aot_load(&result, bytes, length, FEATURES_ALL);
    if (result.module == NULL) {
        fail_msg("refused: %s", result.diag.message);
    }
    aot_unload(&result);
}

void bytes_start(struct aot_bytes *out)
{
    memset(out, 0, sizeof(*out));
    bytes_put(out, "\0asm\1\0\0\0", 8);
}

void bytes_free(struct aot_bytes *out)
{
    free(out->data);
    memset(out, 0, sizeof(*out));
}

void bytes_put(struct aot_bytes *out, const void *data, size_t length)
{
    if (out->length + length > out->capacity) {
        out->capacity = (out->length + length) * 2;
        out->data = realloc(out->data, out->capacity);
        assert_non_null(out->data);
    }
    if (length != 0) {
        memcpy(out->data + out->length, data, length);
    }
    out->length += length;
}

void bytes_put_u8(struct aot_bytes *out, uint8_t value)
{
    bytes_put(out, &value, 1);
}

void bytes_put_leb(struct aot_bytes *out, uint64_t value)
{
    do {
        uint8_t low = value & 0x7f;
        value >>= 7;
        bytes_put_u8(out, (uint8_t)(low | (value != 0 ? 0x80 : 0)));
    } while (value != 0);
}

void bytes_put_section(struct aot_bytes *out, uint8_t id, const struct aot_bytes *content)
{
    bytes_put_u8(out, id);
    bytes_put_leb(out, content->length);
    bytes_put(out, content->data, content->length);
}

void bytes_put_function(struct aot_bytes *out, const void *body, size_t length)
{
    struct aot_bytes code = {0};
    bytes_put(out, "\1\4\1\x60\0\0\3\2\1\0", 10);
    bytes_put_u8(&code, 1);
    bytes_put_leb(&code, length);
    bytes_put(&code, body, length);
    bytes_put_section(out, 10, &code);
    bytes_free(&code);
}
