/*
 * What this boot was asked to do: the built-in command line and the boot loader's,
 * understood. Values of the boot loader win; lists (env., listen=, dir=) hold both.
 *
 * Everything lives for ever. Faulty values are reported on the log and end the boot:
 * a server on the wrong address is worse than none. Normal kernel context, once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/cmdline.h"
#include "kernel/log.h"

#define CONFIG_LIST_MAX 64u

struct config_endpoint {
    uint8_t address[4];
    uint16_t port;
};

struct config {
    struct cmdline line; /* both lines together, for tokens that only one module knows */
    enum log_level log_level;
    const char *terminals;
    uint64_t timeout_ns; /* 0: none */

    bool has_address;
    uint8_t address[4];
    uint8_t prefix_length;
    uint8_t gateway[4];
    uint8_t dns[4];

    const char *const *arguments; /* argv[0] first */
    size_t argument_count;
    const char *const *environment;
    size_t environment_count;
    size_t listener_count;
    struct config_endpoint listeners[CONFIG_LIST_MAX];
    size_t directory_count;
    const char *directories[CONFIG_LIST_MAX];
};

/* Panics with the offending token. */
const struct config *config_read(const char *boot_line, size_t boot_line_bytes);
