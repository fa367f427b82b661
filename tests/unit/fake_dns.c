#include "tests/unit/fake_dns.h"

#include <string.h>

#include "tests/unit/fail_nth.h"

struct fake_dns fake_dns;

enum err dns_query_start(struct net_stack *stack, const char *name, size_t name_length,
                         uint32_t families, struct dns_query **out)
{
    (void)stack;
    memset(fake_dns.asked_name, 0, sizeof(fake_dns.asked_name));
    memcpy(fake_dns.asked_name, name, name_length);
    fake_dns.asked_families = families;
    if (fail_nth_now()) {
        return ERR_NOMEM;
    }
    if (fake_dns.start_answer != ERR_OK) {
        return fake_dns.start_answer;
    }
    fake_dns.open_count++;
    *out = (struct dns_query *)&fake_dns;
    return ERR_OK;
}

enum err dns_query_result(const struct dns_query *query, struct dns_result *out)
{
    (void)query;
    if (fake_dns.rounds != 0) {
        fake_dns.rounds--;
        return ERR_INPROGRESS;
    }
    *out = fake_dns.result;
    return fake_dns.answer;
}

void dns_query_close(struct net_stack *stack, struct dns_query *query)
{
    (void)stack;
    (void)query;
    fake_dns.open_count--;
}
