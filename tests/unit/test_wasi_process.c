/* args, environ, clocks, random, exit: by function. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/fake_wasi.h"
#include "wasi/calls.h"

enum { FAULT = 21, INVAL = 28 };

static const char *const arguments[] = {"app", "two words", "\xc3\xa9", ""};
static const char *const environment[] = {"A=1", "B=x=y"};
static struct wasi_config config;

static int set_up(void **state)
{
    (void)state;
    config = (struct wasi_config){
        .arguments = arguments,
        .argument_count = 4,
        .environment = environment,
        .environment_count = 2,
    };
    fake_begin(&config);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_end();
    return 0;
}

static void args_get_lays_strings_end_to_end(void **state)
{
    (void)state;
    assert_int_equal(wasi_args_sizes_get(0, 4), 0);
    assert_int_equal(guest_get_u32(0), 4);
    assert_int_equal(guest_get_u32(4), 4 + 10 + 3 + 1);
    assert_int_equal(wasi_args_get(100, 200), 0);
    assert_int_equal(guest_get_u32(100), 200);
    assert_int_equal(guest_get_u32(104), 204);
    assert_int_equal(guest_get_u32(108), 214);
    assert_int_equal(guest_get_u32(112), 217);
    assert_string_equal((char *)guest_at(204), "two words");
    assert_string_equal((char *)guest_at(214), "\xc3\xa9");
    assert_string_equal((char *)guest_at(217), "");
}

static void args_get_checks_both_buffers_first(void **state)
{
    (void)state;
    assert_int_equal(wasi_args_get(100, FAKE_MEMORY_BYTES - 17), FAULT);
    assert_int_equal(guest_get_u32(100), 0);
    assert_int_equal(wasi_args_get(FAKE_MEMORY_BYTES - 15, 100), FAULT);
    assert_int_equal(*guest_at(100), 0);
    assert_int_equal(wasi_args_get(FAKE_MEMORY_BYTES - 16, FAKE_MEMORY_BYTES - 40), 0);
    assert_int_equal(wasi_args_sizes_get(FAKE_MEMORY_BYTES - 3, 0), FAULT);
    assert_int_equal(wasi_args_sizes_get(0, UINT32_MAX), FAULT);
}

/* The arrays that a call fills may be unaligned, lie on each other and on what it reads: the
 * result is unspecified then, and nothing beside them may change. */
static void output_buffers_overlap_and_are_unaligned(void **state)
{
    (void)state;
    for (uint32_t at = 101; at < 137; at++) {
        memset(guest_at(90), 0x5a, 80);
        assert_int_equal(wasi_args_get(101, at), 0);
        assert_int_equal(*guest_at(100), 0x5a);
        uint32_t end = at + 18 > 117 ? at + 18 : 117;
        assert_int_equal(*guest_at(end), 0x5a);
    }
    assert_int_equal(wasi_args_sizes_get(101, 102), 0);
    assert_int_equal(wasi_args_sizes_get(101, 101), 0);
    assert_int_equal(wasi_environ_get(103, 105), 0);
}

static void environ_get_reports_the_environment(void **state)
{
    (void)state;
    assert_int_equal(wasi_environ_sizes_get(0, 4), 0);
    assert_int_equal(guest_get_u32(0), 2);
    assert_int_equal(guest_get_u32(4), 4 + 6);
    assert_int_equal(wasi_environ_get(100, 200), 0);
    assert_string_equal((char *)guest_at(guest_get_u32(104)), "B=x=y");
}

static void clocks_tell_time_and_resolution(void **state)
{
    (void)state;
    assert_int_equal(wasi_clock_time_get(1, 0, 8), 0);
    assert_true(guest_get_u64(8) == fake_kernel.now_ns);
    assert_int_equal(wasi_clock_time_get(0, 0, 8), 0);
    assert_true(guest_get_u64(8) == fake_kernel.now_ns + fake_kernel.realtime_offset_ns);
    assert_int_equal(wasi_clock_time_get(2, 0, 8), 0);
    assert_true(guest_get_u64(8) == fake_kernel.now_ns / 2);
    assert_int_equal(wasi_clock_time_get(3, UINT64_MAX, 8), 0);
    assert_int_equal(wasi_clock_time_get(4, 0, 8), INVAL);
    assert_int_equal(wasi_clock_time_get(0, 0, FAKE_MEMORY_BYTES - 7), FAULT);
    assert_int_equal(wasi_clock_res_get(3, 16), 0);
    assert_true(guest_get_u64(16) >= 1);
    assert_int_equal(wasi_clock_res_get(4, 16), INVAL);
}

static void random_get_fills_exactly_the_range(void **state)
{
    (void)state;
    assert_int_equal(wasi_random_get(10, 1000), 0);
    assert_int_equal(*guest_at(9), 0);
    assert_int_equal(*guest_at(10), 13);
    assert_int_not_equal(*guest_at(1009), 0);
    assert_int_equal(*guest_at(1010), 0);
    assert_int_equal(wasi_random_get(FAKE_MEMORY_BYTES, 0), 0);
    assert_int_equal(wasi_random_get(FAKE_MEMORY_BYTES - 1, 2), FAULT);
    assert_int_equal(*guest_at(FAKE_MEMORY_BYTES - 1), 0);
    assert_int_equal(wasi_random_get(0, UINT32_MAX), FAULT);
}

static void proc_exit_keeps_all_bits_of_the_code(void **state)
{
    static const uint32_t codes[] = {0, 3, 126, 255, 256, UINT32_MAX};

    (void)state;
    for (volatile size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (setjmp(fake_kernel.exit_jump) == 0) {
            wasi_proc_exit(codes[i]);
        }
        assert_int_equal(fake_kernel.exit_code, codes[i]);
    }
}

static void proc_raise_has_the_default_effects(void **state)
{
    (void)state;
    assert_int_equal(wasi_proc_raise(0), 0);
    assert_int_equal(wasi_proc_raise(16), 0);
    assert_int_equal(wasi_proc_raise(31), INVAL);
    if (setjmp(fake_kernel.exit_jump) == 0) {
        (void)wasi_proc_raise(6);
    }
    assert_int_equal(fake_kernel.exit_code, 134);
}

static void sched_yield_succeeds(void **state)
{
    (void)state;
    assert_int_equal(wasi_sched_yield(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(args_get_lays_strings_end_to_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(args_get_checks_both_buffers_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(output_buffers_overlap_and_are_unaligned, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(environ_get_reports_the_environment, set_up, tear_down),
        cmocka_unit_test_setup_teardown(clocks_tell_time_and_resolution, set_up, tear_down),
        cmocka_unit_test_setup_teardown(random_get_fills_exactly_the_range, set_up, tear_down),
        cmocka_unit_test_setup_teardown(proc_exit_keeps_all_bits_of_the_code, set_up, tear_down),
        cmocka_unit_test_setup_teardown(proc_raise_has_the_default_effects, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sched_yield_succeeds, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("wasi_process", tests, NULL, NULL);
}
