/*
 * A TCG plugin for QEMU that counts how often each translated block ran, for bench/profile.py.
 *
 * Debian's QEMU has plugins enabled but ships no header: the prototypes below are those of
 * plugin API version 1 (QEMU 4.2 and later, docs/devel/tcg-plugins). The counts live in a
 * file that is mapped shared, so the reader can take them at any moment:
 *
 *   -plugin FILE.so,counts=PATH
 *
 * One record a translation; the same code may be translated several times, so the reader adds
 * up. A block that traps midway counts as a whole.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };
typedef void (*tb_translated_fn)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);

extern void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, tb_translated_fn callback);
extern void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb,
                                                     enum qemu_plugin_op op, void *counter,
                                                     uint64_t step);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
extern uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;
int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv);

struct record {
    uint64_t address;
    uint64_t instruction_count;
    uint64_t executions;
};

/* The file is sparse: it takes what is used. */
#define RECORDS_MAX (1u << 20)

static struct record *records;
static uint32_t record_count;

static void on_translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    uint32_t index = __atomic_fetch_add(&record_count, 1, __ATOMIC_RELAXED);

    (void)id;
    if (index >= RECORDS_MAX) {
        if (index == RECORDS_MAX) {
            fprintf(stderr, "count_blocks: too many blocks, the rest is not counted\n");
        }
        return;
    }
    records[index].address = qemu_plugin_tb_vaddr(tb);
    records[index].instruction_count = qemu_plugin_tb_n_insns(tb);
    qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64,
                                             &records[index].executions, 1);
}

__attribute__((visibility("default"))) int
qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
    static const char option[] = "counts=";
    int file;

    (void)info;
    if (argc != 1 || strncmp(argv[0], option, sizeof(option) - 1) != 0) {
        fprintf(stderr, "count_blocks: the only option is counts=PATH\n");
        return 1;
    }
    file = open(argv[0] + sizeof(option) - 1, O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (file < 0 || ftruncate(file, (off_t)(RECORDS_MAX * sizeof(struct record))) != 0) {
        perror("count_blocks: the file for the counts");
        return 1;
    }
    records = mmap(NULL, RECORDS_MAX * sizeof(struct record), PROT_READ | PROT_WRITE, MAP_SHARED,
                   file, 0);
    close(file);
    if (records == MAP_FAILED) {
        perror("count_blocks: mapping the counts");
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translated);
    return 0;
}
