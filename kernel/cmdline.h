/*
 * The kernel command line.
 *
 *   line    := token { white-space token } [ "--" arguments ]
 *   token   := key "=" value | key
 * Double quotes group; inside them \" \\ \n and \xHH are escapes. What follows a bare
 * -- are the application's arguments, split the same way.
 *
 * cmdline_parse copies everything into one heap block that lives for ever; the strings
 * it hands out point there. Hosted builds included; normal context.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/err.h"

struct cmdline {
    /* Unquoted tokens before "--", NUL-terminated, in order. */
    const char *const *tokens;
    size_t token_count;
    /* The words after "--". */
    const char *const *arguments;
    size_t argument_count;
};

/* ERR_NOMEM; ERR_INVAL for an open quote, a bad escape or a \x00. */
enum err cmdline_parse(const char *text, size_t size_bytes, struct cmdline *out) WARN_UNUSED;

/* The value of the last token `key=value`, or NULL. */
const char *cmdline_value(const struct cmdline *line, const char *key);
/*
 * Visits every token `key=value` (or `key` followed by any text when key ends in '.')
 * in order: start with *position 0; NULL at the end. The result points after the '='
 * (after the '.', for prefixes).
 */
const char *cmdline_next(const struct cmdline *line, const char *key, size_t *position);

/* Decimal or 0x; ERR_INVAL or ERR_RANGE above limit. *text is moved past the digits. */
enum err parse_number(const char **text, uint64_t limit, uint64_t *out) WARN_UNUSED;
/* "192.0.2.1" or "192.0.2.1/24" (prefix 32 when absent), the whole text. */
enum err parse_ipv4(const char *text, uint8_t out_address[4], uint8_t *out_prefix) WARN_UNUSED;
/* "8080" or "0.0.0.0:8080": host order port. */
enum err parse_endpoint(const char *text, uint8_t out_address[4], uint16_t *out_port) WARN_UNUSED;
