#include "kernel/config.h"

#include "kernel/base/string.h"
#include "kernel/mem.h"
#include "kernel/panic.h"

#define NS_PER_S      1000000000ull
#define TIMEOUT_MAX_S (365u * 86400u)

/* image.mk links these in when the image has a built-in command line. */
extern const char wafer_cmdline_start[] __attribute__((weak));
extern const char wafer_cmdline_end[] __attribute__((weak));
/* And this when the image can be observed (trace/trace.h). */
extern const char trace_is_linked[] __attribute__((weak));

static struct config config;

static struct cmdline parse(const char *text, size_t size_bytes, const char *which)
{
    struct cmdline line = {0};
    enum err error = cmdline_parse(text, size_bytes, &line);
    if (error == ERR_INVAL) {
        panic("the %s command line has an open quote or an unknown escape", which);
    }
    if (error != ERR_OK) {
        panic("no memory for the %s command line: give the machine more memory", which);
    }
    return line;
}

static void *allocate(size_t count, size_t size_bytes)
{
    void *block = heap_allocate_zeroed(count, size_bytes);
    if (block == NULL) {
        panic("no memory for the command line: give the machine more memory");
    }
    return block;
}

/* The boot loader's tokens come last, because the last of a key counts. */
static void merge(const struct cmdline *first, const struct cmdline *second)
{
    size_t count = first->token_count + second->token_count;
    const char **tokens = allocate(count + 1, sizeof(*tokens));
    for (size_t i = 0; i < count; i++) {
        tokens[i] =
            i < first->token_count ? first->tokens[i] : second->tokens[i - first->token_count];
    }
    const struct cmdline *source = second->argument_count != 0 ? second : first;
    config.line = (struct cmdline){tokens, count, source->arguments, source->argument_count};
}

static void read_log_level(void)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    const char *value = cmdline_value(&config.line, "log");
    config.log_level = LOG_WARNING;
    if (value == NULL) {
        return;
    }
    for (unsigned level = 0; level < 4; level++) {
        if (strcmp(value, names[level]) == 0) {
            config.log_level = (enum log_level)level;
            return;
        }
    }
    panic("log=%s: write error, warning, info or debug", value);
}

static void read_address(const char *key, uint8_t address[4], uint8_t *prefix, bool *present)
{
    const char *value = cmdline_value(&config.line, key);
    *present = value != NULL && strcmp(value, "dhcp") != 0;
    if (*present && parse_ipv4(value, address, prefix) != ERR_OK) {
        panic("%s=%s: write an address such as 192.0.2.1 (ip= with its prefix: /24)", key, value);
    }
}

static void read_network(void)
{
    uint8_t prefix;
    bool present;
    read_address("ip", config.address, &config.prefix_length, &config.has_address);
    read_address("gateway", config.gateway, &prefix, &present);
    read_address("dns", config.dns, &prefix, &present);
}

static void read_timeout(void)
{
    const char *value = cmdline_value(&config.line, "timeout");
    uint64_t seconds;
    if (value == NULL) {
        return;
    }
    const char *at = value;
    if (parse_number(&at, TIMEOUT_MAX_S, &seconds) != ERR_OK || *at != '\0') {
        panic("timeout=%s: write a number of seconds", value);
    }
    config.timeout_ns = seconds * NS_PER_S;
}

static void add_listeners(const char *list)
{
    while (*list != '\0') {
        size_t length = 0;
        while (list[length] != '\0' && list[length] != ',') {
            length++;
        }
        char text[32] = "";
        if (length < sizeof(text)) {
            memcpy(text, list, length);
        }
        if (config.listener_count == CONFIG_LIST_MAX) {
            panic("more than %u listen= addresses", CONFIG_LIST_MAX);
        }
        struct config_endpoint *endpoint = &config.listeners[config.listener_count++];
        if (parse_endpoint(text, endpoint->address, &endpoint->port) != ERR_OK) {
            panic("listen=%.*s: write PORT or ADDRESS:PORT", (int)length, list);
        }
        list += list[length] == ',' ? length + 1 : length;
    }
}

static void read_lists(void)
{
    const char *value;
    for (size_t at = 0; (value = cmdline_next(&config.line, "listen", &at)) != NULL;) {
        add_listeners(value);
    }
    for (size_t at = 0; (value = cmdline_next(&config.line, "dir", &at)) != NULL;) {
        if (config.directory_count == CONFIG_LIST_MAX) {
            panic("more than %u dir= paths", CONFIG_LIST_MAX);
        }
        config.directories[config.directory_count++] = value;
    }
    size_t count = 0;
    for (size_t at = 0; cmdline_next(&config.line, "env.", &at) != NULL;) {
        count++;
    }
    const char **environment = allocate(count + 1, sizeof(*environment));
    size_t filled = 0;
    for (size_t at = 0; (value = cmdline_next(&config.line, "env.", &at)) != NULL;) {
        environment[filled++] = value;
    }
    config.environment = environment;
    config.environment_count = count;
}

static void read_arguments(void)
{
    size_t count = config.line.argument_count + 1;
    const char **arguments = allocate(count + 1, sizeof(*arguments));
    const char *name = cmdline_value(&config.line, "argv0");
    arguments[0] = name != NULL ? name : "app";
    for (size_t i = 1; i < count; i++) {
        arguments[i] = config.line.arguments[i - 1];
    }
    config.arguments = arguments;
    config.argument_count = count;
}

static void warn_unknown(void)
{
    static const char *const keys[] = {"ip=",
                                       "gateway=",
                                       "dns=",
                                       "log=",
                                       "env.",
                                       "listen=",
                                       "dir=",
                                       "tty=",
                                       "argv0=",
                                       "timeout=",
                                       "virtio_mmio.device=",
                                       "volume=",
                                       "mount=",
                                       "check=",
                                       "profile=",
                                       "trace=",
                                       "stats="};
    /* The last two are words of the observing part alone. */
    size_t key_count = sizeof(keys) / sizeof(keys[0]) - (trace_is_linked == NULL ? 2 : 0);
    for (size_t i = 0; i < config.line.token_count; i++) {
        bool known = false;
        for (size_t k = 0; k < key_count; k++) {
            known |= strncmp(config.line.tokens[i], keys[k], strlen(keys[k])) == 0;
        }
        if (!known) {
            log_warning("config", "unknown word on the command line: %s", config.line.tokens[i]);
        }
    }
}

const struct config *config_read(const char *boot_line, size_t boot_line_bytes)
{
    /* cppcheck-suppress comparePointers ; symbols of the linker script, one object */
    size_t built_in_bytes = (size_t)(wafer_cmdline_end - wafer_cmdline_start);
    const char *built_in_text = built_in_bytes != 0 ? wafer_cmdline_start : "";
    struct cmdline built_in = parse(built_in_text, built_in_bytes, "built-in");
    struct cmdline boot = parse(boot_line, boot_line_bytes, "boot loader's");
    merge(&built_in, &boot);
    read_log_level();
    log_set_level(config.log_level);
    read_network();
    read_timeout();
    read_lists();
    read_arguments();
    config.terminals = cmdline_value(&config.line, "tty");
    warn_unknown();
    return &config;
}
