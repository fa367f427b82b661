/* The timing wheel and the hash table, against the obvious implementations. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net/hash.h"
#include "net/stack.h"
#include "net/timer.h"

#define TIMERS 500
#define TICK   (1ull << TIMER_TICK_SHIFT)

struct probe {
    struct net_timer timer;
    uint64_t wanted_ns; /* 0: not set */
};

static struct probe probes[TIMERS];
static uint64_t now_ns;
static size_t fired;
static uint64_t random_state;

static uint64_t random64(void)
{
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return random_state >> 16 ^ random_state << 40;
}

static void fire(struct net_stack *stack, struct net_timer *timer)
{
    struct probe *probe = (struct probe *)timer;

    (void)stack;
    assert_true(probe->wanted_ns != 0);
    assert_true(probe->wanted_ns <= now_ns);
    probe->wanted_ns = 0;
    fired++;
}

static void check_nothing_is_late(void)
{
    for (size_t i = 0; i < TIMERS; i++) {
        if (probes[i].wanted_ns != 0) {
            assert_true(net_timer_is_set(&probes[i].timer));
            assert_true(probes[i].wanted_ns + TICK > now_ns);
        } else {
            assert_false(net_timer_is_set(&probes[i].timer));
        }
    }
}

static void test_wheel_against_list(void **state)
{
    static const uint64_t spans[] = {TICK,          70 * TICK,  5000 * TICK,
                                     300000 * TICK, 1ull << 44, 1ull << 46};
    struct net_timers timers;

    (void)state;
    random_state = 42;
    now_ns = 12345678;
    net_timers_init(&timers, now_ns);
    for (int round = 0; round < 20000; round++) {
        struct probe *probe = &probes[random64() % TIMERS];
        uint64_t next_ns;

        probe->timer.fire = fire;
        if (random64() % 4 == 0) {
            net_timer_cancel(&timers, &probe->timer);
            probe->wanted_ns = 0;
        } else {
            probe->wanted_ns = now_ns + 1 + random64() % spans[random64() % 6];
            net_timer_set(&timers, &probe->timer, probe->wanted_ns);
        }
        next_ns = net_timers_next_ns(&timers);
        for (size_t i = 0; i < TIMERS; i++) {
            assert_true(probes[i].wanted_ns == 0 || next_ns < probes[i].wanted_ns + TICK);
        }
        if (random64() % 2 == 0 && next_ns != TIMER_NONE) {
            now_ns = next_ns > now_ns ? next_ns : now_ns;
        } else {
            now_ns += random64() % spans[random64() % 5];
        }
        net_timers_run(NULL, &timers, now_ns);
        check_nothing_is_late();
    }
    assert_true(fired > 1000);
}

/* ---- Hash ----------------------------------------------------------------------------------- */

static size_t allocated;
static bool no_memory;

void *net_allocate(struct net_stack *stack, size_t size_bytes)
{
    (void)stack;
    if (no_memory) {
        return NULL;
    }
    allocated += size_bytes;
    return calloc(1, size_bytes);
}

void net_release(struct net_stack *stack, void *block, size_t size_bytes)
{
    (void)stack;
    allocated -= size_bytes;
    free(block);
}

struct item {
    struct net_hash_node node;
    bool in;
};

static bool is_found(const struct net_hash *table, const struct item *item, uint32_t hash)
{
    struct net_hash_node *node = net_hash_match(*net_hash_bucket(table, hash), hash);

    while (node != NULL && node != &item->node) {
        node = net_hash_match(node->next, hash);
    }
    return node != NULL;
}

static void test_hash_grows(void **state)
{
    static struct item items[5000];
    struct net_hash table;
    size_t count = 0;

    (void)state;
    random_state = 7;
    assert_int_equal(net_hash_init(NULL, &table, 8), ERR_OK);
    for (int round = 0; round < 60000; round++) {
        size_t index = random64() % 5000;
        uint32_t hash = (uint32_t)(index * 2654435761u) & 0xffffff3f; /* with collisions */
        struct item *item = &items[index];

        no_memory = round % 1000 < 100;
        assert_int_equal(is_found(&table, item, hash), item->in);
        if (item->in) {
            net_hash_remove(&table, &item->node);
            count--;
        } else {
            net_hash_insert(NULL, &table, &item->node, hash);
            count++;
        }
        item->in = !item->in;
        assert_int_equal(table.count, count);
    }
    assert_true(table.bucket_count >= 2048);
    no_memory = false;
    net_hash_destroy(NULL, &table);
    assert_int_equal(allocated, 0);
}

static void test_siphash_vectors(void **state)
{
    /* Appendix A of the SipHash paper: key 00..0f, message 00..07, from its reference program. */
    const uint64_t key[2] = {0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull};
    const uint64_t words[2] = {0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull};

    (void)state;
    assert_int_equal(hash_sip(key, words, 0), 0x726fdb47dd0e0e31ull);
    assert_int_equal(hash_sip(key, words, 1), 0x93f5f5799a932462ull);
    assert_int_equal(hash_sip(key, words, 2), 0x3f2acc7f57c29bdbull);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wheel_against_list),
        cmocka_unit_test(test_hash_grows),
        cmocka_unit_test(test_siphash_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
