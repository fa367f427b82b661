#include "net/dns_state.h"

#include "kernel/base/string.h"
#include "net/ip_text.h"

/* The next word of a line, or false at its end or a comment. */
static bool next_word(const char **at, const char *end, const char **word, size_t *length)
{
    while (*at < end && (**at == ' ' || **at == '\t' || **at == '\r')) {
        (*at)++;
    }
    *word = *at;
    while (*at < end && **at != ' ' && **at != '\t' && **at != '\r' && **at != '#') {
        (*at)++;
    }
    *length = (size_t)(*at - *word);
    return *length > 0;
}

static bool line_names(const char *at, const char *end, const char *name)
{
    char candidate[DNS_NAME_BYTES];
    const char *word;
    size_t length;

    while (next_word(&at, end, &word, &length)) {
        if (dns_name_normalize(word, length, candidate) && strcmp(candidate, name) == 0) {
            return true;
        }
    }
    return false;
}

/* hosts(5): "address name alias...", one line each; every matching line counts. */
bool dns_hosts_find(const char *hosts, size_t length, const char *name, uint32_t families,
                    struct dns_result *result)
{
    const char *at = hosts;
    const char *end = hosts + length;

    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        const char *word;
        size_t word_length;
        struct ip_address address;
        if (line_end == NULL) {
            line_end = end;
        }
        if (next_word(&at, line_end, &word, &word_length) &&
            ip_address_parse(word, word_length, &address) &&
            (families & (ip_address_is_ipv4(&address) ? DNS_IPV4_BIT : DNS_IPV6_BIT)) != 0 &&
            result->address_count < DNS_ADDRESSES_MAX && line_names(at, line_end, name)) {
            result->addresses[result->address_count++] = address;
        }
        at = line_end + (line_end < end);
    }
    return result->address_count > 0;
}
