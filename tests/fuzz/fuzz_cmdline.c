/* Any bytes as a command line: no overrun, and every word is within the block. */
#include <stdlib.h>
#include <string.h>

#include "kernel/cmdline.h"
#include "kernel/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct cmdline line;
    if (cmdline_parse((const char *)data, size_bytes, &line) != ERR_OK) {
        return 0;
    }
    size_t total = 0;
    for (size_t i = 0; i < line.token_count + line.argument_count; i++) {
        const char *word =
            i < line.token_count ? line.tokens[i] : line.arguments[i - line.token_count];
        uint8_t address[4], prefix;
        uint16_t port;
        uint64_t number;
        const char *at = word;
        (void)!parse_ipv4(word, address, &prefix);
        (void)!parse_endpoint(word, address, &port);
        (void)!parse_number(&at, UINT64_MAX, &number);
        total += strlen(word);
    }
    if (total > size_bytes) {
        abort();
    }
    (void)cmdline_value(&line, "ip");
    heap_free((void *)(uintptr_t)line.tokens);
    return 0;
}
