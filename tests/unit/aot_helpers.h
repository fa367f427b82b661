/* For the compiler's unit tests: bytes in, a verdict out. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "aot/module.h"

struct aot_result {
    struct module *module; /* NULL: refused, the reason is in message */
    struct diag diag;
    struct arena arena;
};

/* Decodes and validates; `bytes` must outlive the result. */
void aot_load(struct aot_result *result, const uint8_t *bytes, size_t length, uint32_t features);
void aot_unload(struct aot_result *result);

/* Fails the test unless the bytes are refused with a message that contains `text`. */
void aot_expect_refused(const uint8_t *bytes, size_t length, const char *text);
/* Fails the test unless the bytes are a valid module. */
void aot_expect_valid(const uint8_t *bytes, size_t length);

/* A module builder: header first, then sections of hand-written content. */
struct aot_bytes {
    uint8_t *data;
    size_t length;
    size_t capacity;
};

void bytes_start(struct aot_bytes *out);
void bytes_free(struct aot_bytes *out);
void bytes_put(struct aot_bytes *out, const void *data, size_t length);
void bytes_put_u8(struct aot_bytes *out, uint8_t value);
void bytes_put_leb(struct aot_bytes *out, uint64_t value);
void bytes_put_section(struct aot_bytes *out, uint8_t id, const struct aot_bytes *content);
/* Type section with () -> (), function section, and a code section of this one body, which
 * is without its length and ends with 0x0b. */
void bytes_put_function(struct aot_bytes *out, const void *body, size_t length);
