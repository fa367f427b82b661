/* kernel/x86/memory.S, whose functions kernel.mk renames to wafer_*. */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <cmocka.h>

void *wafer_memcpy(void *to, const void *from, size_t size);
void *wafer_memmove(void *to, const void *from, size_t size);
void *wafer_memset(void *to, int value, size_t size);
int wafer_memcmp(const void *left, const void *right, size_t size);

extern bool memory_vectors;

#define SPACE 5000u
static uint8_t model[SPACE], real[SPACE];

static void check(void)
{
    for (size_t i = 0; i < SPACE; i++) {
        assert_int_equal(real[i], model[i]);
    }
}

static void fill(void)
{
    for (size_t i = 0; i < SPACE; i++) {
        real[i] = model[i] = (uint8_t)rand();
    }
}

static size_t next_size(unsigned round)
{
    if (round % 8 == 0) {
        return (size_t)rand() % 4500; /* to both sides of what vectors copy */
    }
    return round < 600 ? round : (size_t)rand() % 900;
}

static void test_copy_and_move(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 6000; round++) {
        size_t size = next_size(round);
        size_t from = (size_t)rand() % (SPACE - size);
        size_t to = (size_t)rand() % (SPACE - size);
        if (round % 3 == 0 && from + 40 + size < SPACE) {
            to = from + (size_t)rand() % 40;
        }
        if (round % 3 == 1 && from >= 40) {
            to = from - (size_t)rand() % 40;
        }
        memory_vectors = rand() % 2 == 0 && __builtin_cpu_supports("avx2");
        fill();
        uint8_t copy[SPACE];
        for (size_t i = 0; i < size; i++) {
            copy[i] = model[from + i];
        }
        for (size_t i = 0; i < size; i++) {
            model[to + i] = copy[i];
        }
        bool overlap = to < from + size && from < to + size;
        void *result = overlap ? wafer_memmove(real + to, real + from, size)
                               : wafer_memcpy(real + to, real + from, size);
        assert_ptr_equal(result, real + to);
        check();
    }
}

static void test_set(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 2000; round++) {
        size_t size = next_size(round);
        size_t to = (size_t)rand() % (SPACE - size);
        int value = rand();
        fill();
        for (size_t i = 0; i < size; i++) {
            model[to + i] = (uint8_t)value;
        }
        assert_ptr_equal(wafer_memset(real + to, value, size), real + to);
        check();
    }
}

static void test_compare(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 4000; round++) {
        size_t size = (size_t)rand() % 40;
        for (size_t i = 0; i < size; i++) {
            real[i] = model[i] = (uint8_t)rand();
        }
        assert_int_equal(wafer_memcmp(real, model, size), 0);
        if (size == 0) {
            continue;
        }
        size_t at = (size_t)rand() % size;
        for (size_t i = at; i < size; i++) {
            real[i] = (uint8_t)rand();
        }
        int expected = 0;
        for (size_t i = 0; i < size && expected == 0; i++) {
            expected = real[i] - model[i];
        }
        int got = wafer_memcmp(real, model, size);
        assert_true((got < 0) == (expected < 0) && (got > 0) == (expected > 0));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copy_and_move),
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_compare),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
