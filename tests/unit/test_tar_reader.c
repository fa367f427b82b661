#include "fs/tar_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/tar_builder.h"

static struct tar_builder tar;
static struct tar_reader reader;
static struct tar_entry entry;

static int teardown(void **state)
{
    (void)state;
    tar_builder_free(&tar);
    return 0;
}

static void start(void)
{
    tar_reader_init(&reader, tar.bytes, tar.size_bytes);
}

static void assert_string(struct tar_string actual, const char *expected)
{
    assert_int_equal(actual.size_bytes, strlen(expected));
    assert_memory_equal(actual.bytes, expected, actual.size_bytes);
}

static void assert_next(enum tar_type type, const char *name, const char *data)
{
    assert_int_equal(tar_reader_next(&reader, &entry), ERR_OK);
    assert_int_equal(entry.type, type);
    assert_string(entry.name, name);
    assert_int_equal(entry.size_bytes, strlen(data));
    if (entry.size_bytes != 0) {
        assert_memory_equal(entry.data, data, strlen(data));
    }
}

static void test_plain_entries(void **state)
{
    (void)state;
    tar_add_directory(&tar, "pub/");
    tar_add_file(&tar, "pub/a.txt", "hello");
    tar_add_symlink(&tar, "pub/link", "a.txt");
    tar_add_hard_link(&tar, "pub/hard", "pub/a.txt");
    tar_add_file(&tar, "pub/empty", "");
    tar_add_end(&tar);
    start();
    assert_next(TAR_DIRECTORY, "pub/", "");
    assert_next(TAR_REGULAR, "pub/a.txt", "hello");
    assert_int_equal(entry.modify_time_ns, 7000000000ull);
    assert_ptr_equal(entry.data, tar.bytes + entry.header_offset + 512);
    assert_next(TAR_SYMLINK, "pub/link", "");
    assert_string(entry.link_target, "a.txt");
    assert_next(TAR_HARD_LINK, "pub/hard", "");
    assert_string(entry.link_target, "pub/a.txt");
    assert_next(TAR_REGULAR, "pub/empty", "");
    assert_int_equal(tar_reader_next(&reader, &entry), ERR_NOENT);
    assert_int_equal(tar_reader_next(&reader, &entry), ERR_NOENT);
}

static void test_end_without_zero_blocks(void **state)
{
    (void)state;
    tar_add_file(&tar, "a", "x");
    start();
    assert_next(TAR_REGULAR, "a", "x");
    assert_int_equal(tar_reader_next(&reader, &entry), ERR_NOENT);
    /* The last block may lack its padding. */
    tar_reader_init(&reader, tar.bytes, 513);
    assert_next(TAR_REGULAR, "a", "x");
    assert_int_equal(tar_reader_next(&reader, &entry), ERR_NOENT);
}

static void test_ustar_prefix(void **state)
{
    (void)state;
    tar_add(&tar, &(struct tar_fields){.name = "leaf", .prefix = "some/where", .type = '0'});
    char full[156];
    memset(full, 'p', 155);
    full[155] = '\0';
    char name[101];
    memset(name, 'n', 100);
    name[100] = '\0';
    tar_add(&tar, &(struct tar_fields){.name = name, .prefix = full, .type = '0'});
    start();
    assert_next(TAR_REGULAR, "some/where/leaf", "");
    assert_int_equal(tar_reader_next(&reader, &entry), ERR_OK);
    assert_int_equal(entry.name.size_bytes, 256);
}

static void test_gnu_magic_has_no_prefix(void **state)
{
    (void)state;
    /* GNU tar keeps times where POSIX has the prefix. */
    tar_add(&tar,
            &(struct tar_fields){.name = "f", .prefix = "0123", .magic = "ustar  ", .type = '0'});
    start();
    assert_next(TAR_REGULAR, "f", "");
}

static void test_old_style_directory(void **state)
{
    (void)state;
    tar_add(&tar, &(struct tar_fields){.name = "d/", .magic = "\0\0\0\0\0\0\0", .type = '\0'});
    start();
    assert_next(TAR_DIRECTORY, "d/", "");
}

static void test_gnu_long_names(void **state)
{
    (void)state;
    char name[301];
    memset(name, 'n', 300);
    name[300] = '\0';
    char target[401];
    memset(target, 't', 400);
    target[400] = '\0';
    const char *gnu = "ustar  ";
    tar_add(
        &tar,
        &(struct tar_fields){
            .name = "././@LongLink", .magic = gnu, .type = 'K', .data = target, .data_bytes = 401});
    tar_add(
        &tar,
        &(struct tar_fields){
            .name = "././@LongLink", .magic = gnu, .type = 'L', .data = name, .data_bytes = 301});
    tar_add(&tar,
            &(struct tar_fields){.name = "nnn", .link_name = "ttt", .magic = gnu, .type = '2'});
    tar_add_file(&tar, "after", "");
    start();
    assert_next(TAR_SYMLINK, name, "");
    assert_string(entry.link_target, target);
    assert_next(TAR_REGULAR, "after", "");
}

static void test_pax_records(void **state)
{
    (void)state;
    char name[1001];
    memset(name, 'p', 1000);
    name[1000] = '\0';
    tar_add_pax(&tar, "path", name);
    tar_add_pax(&tar, "mtime", "12.5");
    tar_add_pax(&tar, "SCHILY.xattr.user", "ignored");
    tar_add_file(&tar, "short", "data");
    tar_add_pax(&tar, "linkpath", "far/away");
    tar_add_symlink(&tar, "l", "near");
    tar_add_pax(&tar, "mtime", "-3.25");
    tar_add_file(&tar, "old", "");
    tar_add_pax(&tar, "size", "3");
    tar_add(&tar, &(struct tar_fields){.name = "sized", .type = '0'});
    tar_add_blocks(&tar, "abc", 3);
    start();
    assert_next(TAR_REGULAR, name, "data");
    assert_int_equal(entry.modify_time_ns, 12500000000ull);
    assert_next(TAR_SYMLINK, "l", "");
    assert_string(entry.link_target, "far/away");
    assert_next(TAR_REGULAR, "old", "");
    assert_int_equal(entry.modify_time_ns, 0);
    assert_next(TAR_REGULAR, "sized", "abc");
    assert_int_equal(tar_reader_next(&reader, &entry), ERR_NOENT);
}

static void test_pax_global_header_is_skipped(void **state)
{
    (void)state;
    tar_add(&tar, &(struct tar_fields){.name = "pax_global_header",
                                       .type = 'g',
                                       .data = "14 comment=ab\n",
                                       .data_bytes = 14});
    tar_add_file(&tar, "f", "");
    start();
    assert_next(TAR_REGULAR, "f", "");
}

static void test_sparse_and_devices_are_other(void **state)
{
    (void)state;
    tar_add_pax(&tar, "GNU.sparse.major", "1");
    tar_add_file(&tar, "sparse", "map");
    tar_add(&tar, &(struct tar_fields){.name = "device", .type = '3'});
    tar_add_file(&tar, "f", "");
    start();
    assert_next(TAR_OTHER, "sparse", "map");
    assert_next(TAR_OTHER, "device", "");
    assert_next(TAR_REGULAR, "f", "");
}

static void test_binary_size(void **state)
{
    (void)state;
    tar_add_file(&tar, "f", "abc");
    uint8_t *size = tar.bytes + tar.last_header + 124;
    memset(size, 0, 12);
    size[0] = 0x80;
    size[11] = 3;
    tar_fix_checksum(&tar);
    start();
    assert_next(TAR_REGULAR, "f", "abc");
}

/* Signed sums, and the largest sum there is. */
static void test_checksums(void **state)
{
    (void)state;
    tar_add_file(&tar, "gr\xc3\xbc\xc3\x9f", "abc");
    unsigned sum = 0;
    int difference = 4 * 256;
    for (size_t i = 0; i < 512; i++) {
        sum += i >= 148 && i < 156 ? ' ' : tar.bytes[i];
    }
    snprintf((char *)tar.bytes + 148, 8, "%06o", sum - (unsigned)difference);
    start();
    assert_next(TAR_REGULAR, "gr\xc3\xbc\xc3\x9f", "abc");
    tar_builder_free(&tar);
    tar_add_file(&tar, "f", "");
    memset(tar.bytes + 345, 0xff, 155);
    memset(tar.bytes, 0xff, 100);
    tar_fix_checksum(&tar);
    start();
    assert_int_equal(tar_reader_next(&reader, &entry), ERR_OK);
}

static void assert_damaged(void)
{
    start();
    assert_int_equal(tar_reader_next(&reader, &entry), ERR_INVAL);
    assert_non_null(reader.problem);
    /* Asking again does not get past the damage. */
    assert_int_equal(tar_reader_next(&reader, &entry), ERR_INVAL);
    tar_builder_free(&tar);
}

static void test_damage(void **state)
{
    (void)state;
    tar_add_file(&tar, "f", "abc");
    tar.bytes[0] ^= 1;
    assert_damaged();

    static const char *const sizes[] = {"77777777777", "00000002001", "0000000000x"};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        tar_add_file(&tar, "f", "abc");
        memcpy(tar.bytes + 124, sizes[i], 11);
        tar_fix_checksum(&tar);
        assert_damaged();
    }
    /* A base 256 size of more than 64 bits, one of all ones, and a negative one. */
    static const uint8_t heads[] = {0x81, 0xff, 0x80};
    for (size_t i = 0; i < sizeof(heads); i++) {
        tar_add_file(&tar, "f", "abc");
        memset(tar.bytes + 124, 0xff, 12);
        tar.bytes[124] = heads[i];
        tar_fix_checksum(&tar);
        assert_damaged();
    }
}

static void test_damaged_pax(void **state)
{
    (void)state;
    static const char *const records[] = {
        "12 path=ab\n", /* longer than the data */
        "5 path=abc\n", /* shorter than the key */
        "99999999999999999999999 path=a\n",
        "path=abc\n",    /* no length */
        "11 pathxabc\n", /* no equals sign */
        "11 path=abcd",  /* no newline */
        "0 \n",
        "12 mtime=1x\n",
        "11 size=-1\n",
        "31 size=99999999999999999999\n",
    };
    for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
        tar_add(&tar, &(struct tar_fields){.name = "x",
                                           .type = 'x',
                                           .data = records[i],
                                           .data_bytes = strlen(records[i])});
        tar_add_file(&tar, "f", "");
        assert_damaged();
    }
}

static void test_extension_without_entry(void **state)
{
    (void)state;
    tar_add_pax(&tar, "path", "name");
    tar_add_end(&tar);
    start();
    assert_int_equal(tar_reader_next(&reader, &entry), ERR_NOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_plain_entries, teardown),
        cmocka_unit_test_teardown(test_end_without_zero_blocks, teardown),
        cmocka_unit_test_teardown(test_ustar_prefix, teardown),
        cmocka_unit_test_teardown(test_gnu_magic_has_no_prefix, teardown),
        cmocka_unit_test_teardown(test_old_style_directory, teardown),
        cmocka_unit_test_teardown(test_gnu_long_names, teardown),
        cmocka_unit_test_teardown(test_pax_records, teardown),
        cmocka_unit_test_teardown(test_pax_global_header_is_skipped, teardown),
        cmocka_unit_test_teardown(test_sparse_and_devices_are_other, teardown),
        cmocka_unit_test_teardown(test_binary_size, teardown),
        cmocka_unit_test_teardown(test_checksums, teardown),
        cmocka_unit_test_teardown(test_damage, teardown),
        cmocka_unit_test_teardown(test_damaged_pax, teardown),
        cmocka_unit_test_teardown(test_extension_without_entry, teardown),
    };
    return cmocka_run_group_tests_name("tar_reader", tests, NULL, NULL);
}
