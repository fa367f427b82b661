/*
 * The contract between code that waferc compiled and whatever runs it: the
 * kernel, or the hosted runner of the tests. Plain data and names only, so the
 * compiler, the kernel and hosted programs all include it.
 *
 * Who defines what
 *   compiled object   wasm_module, the struct below (name prefix: waferc --symbol-prefix)
 *   linker script     wasm_memory, the absolute address of linear memory 0
 *                     (0 in the image, 0x60000000 in the hosted runner)
 *   runtime           the wasm_rt_* functions below, memcpy, memmove, memset, memcmp
 *                     and one function per imported function (names below)
 *
 * Calling convention: System V AMD64, C types i32=uint32_t, i64=uint64_t,
 * f32=float, f64=double. More than one result: the function returns void and its
 * last parameter points to an array of union wasm_value that receives them.
 * Imported functions and wasm_rt_* functions may be entered only through the
 * runtime's thunks where the runtime needs them (the kernel's import thunks
 * close the SMAP window and switch stacks; see kernel/x86/wasm_entry.S).
 *
 * Import names: wasm_import__<module>__<field>__<params>_<results> with one
 * letter a value, i=i32 I=i64 f=f32 F=f64 V=v128 r=funcref e=externref, 'v' for
 * an empty list. A character of module or field outside [A-Za-z0-9_] is written
 * $xx (two lower-case hex digits), and so is a '_' that follows another '_'
 * (or would start or end the name). Example:
 *     wasm_import__wasi_snapshot_preview1__fd_write__iiii_i
 *     wasm_import__wasi_snapshot_preview1__proc_exit__i_v
 *
 * Other imports are undefined data symbols, names encoded likewise:
 *     wasm_import_memory__<module>__<field>           a struct wasm_memory
 *     wasm_import_table__<module>__<field>            a struct wasm_table
 *     wasm_import_global__<module>__<field>__<type>   its storage, a union wasm_value;
 *                                                     <type> is the value's letter, then m if
 * mutable wasm_import_tag__<module>__<field>__<params>    a byte whose address is the tag's
 * identity Characters of a signature outside [A-Za-z0-9_] are written $xx, too. Import symbols
 * carry the prefix of waferc --symbol-prefix, and so does wasm_module.
 *
 * Function symbols: wasm.<index>.<name>, <index> in decimal in the module's
 * function index space, <name> from the name section or the first export, or "".
 */
#pragma once

#include <stdint.h>

#define WASM_ABI_VERSION 1u
#define WASM_PAGE_BYTES  65536u
/* Address space reserved for memory 0: 4 GiB of index plus 4 GiB of offset. */
#define WASM_MEMORY_RESERVED_BYTES (8ull << 30)

/*
 * Traps that are not hardware faults execute `ud1 kind(%eax), %eax`
 * (67 0F B9 40 <kind>), LLVM's llvm.ubsantrap: the handler of #UD decodes the
 * kind from the instruction. A #PF by compiled code below
 * WASM_MEMORY_RESERVED_BYTES above wasm_memory is WASM_TRAP_MEMORY_BOUNDS; one in
 * the guard of the Wasm stack is WASM_TRAP_STACK_OVERFLOW. The texts are those
 * of the official test suite.
 */
#define WASM_TRAPS(X)                                                                              \
    X(UNREACHABLE, 1, "unreachable")                                                               \
    X(MEMORY_BOUNDS, 2, "out of bounds memory access")                                             \
    X(TABLE_BOUNDS, 3, "out of bounds table access")                                               \
    X(UNDEFINED_ELEMENT, 4, "undefined element")                                                   \
    X(UNINITIALIZED_ELEMENT, 5, "uninitialized element")                                           \
    X(INDIRECT_CALL_TYPE, 6, "indirect call type mismatch")                                        \
    X(DIVIDE_BY_ZERO, 7, "integer divide by zero")                                                 \
    X(INTEGER_OVERFLOW, 8, "integer overflow")                                                     \
    X(INVALID_CONVERSION, 9, "invalid conversion to integer")                                      \
    X(STACK_OVERFLOW, 10, "call stack exhausted")                                                  \
    X(NULL_REFERENCE, 11, "null reference")                                                        \
    X(UNCAUGHT_EXCEPTION, 12, "unhandled exception")                                               \
    X(UNALIGNED_ATOMIC, 13, "unaligned atomic")                                                    \
    X(EXPECTED_SHARED_MEMORY, 14, "expected shared memory")

enum wasm_trap {
    WASM_TRAP_NONE = 0,
#define X(name, number, text) WASM_TRAP_##name = (number),
    WASM_TRAPS(X)
#undef X
};

union wasm_value {
    uint32_t i32;
    uint64_t i64;
    float f32;
    double f64;
    void *ref;
    uint8_t v128[16];
};

/*
 * A linear memory. Memory 0 lies at wasm_memory whatever `base` says (the
 * runtime stores its address there); further memories are addressed through
 * `base`. The runtime owns all fields; compiled code reads them.
 */
struct wasm_memory {
    uint8_t *base;
    uint64_t size_bytes;    /* current size, a multiple of WASM_PAGE_BYTES */
    uint64_t maximum_pages; /* never exceeded; UINT64_MAX where the module states none */
    uint64_t minimum_pages; /* at instantiation */
    uint32_t index;         /* in the module's memory index space */
    uint32_t flags;         /* enum wasm_memory_flags */
};

enum wasm_memory_flags {
    WASM_MEMORY_IS_64_BIT = 1u << 0,
    WASM_MEMORY_SHARED_BIT = 1u << 1,
};

/*
 * A function reference. `type` is the address of the weak symbol
 * wasm_type.<params>_<results> (one per signature in the whole link): equal types have
 * equal addresses. A funcref *value* is a pointer to a constant struct wasm_function, or
 * NULL; externref values are opaque, NULL is the null reference.
 */
struct wasm_function {
    void *code;
    uint64_t type;
};

/*
 * A table that changes or is shared: its elements are 8-byte references (funcref:
 * const struct wasm_function *). It starts empty; instantiation obtains the minimum
 * through wasm_rt_table_grow. Tables that never change are constants of the object
 * and have no struct wasm_table.
 */
struct wasm_table {
    void *base;       /* elements */
    uint64_t size;    /* elements */
    uint64_t maximum; /* elements */
    uint64_t element_bytes;
};

struct wasm_export {
    const char *name; /* UTF-8, NUL-terminated copy; name_bytes counts inner NULs */
    uint32_t name_bytes;
    uint32_t kind;    /* 0 function, 1 table, 2 memory, 3 global, 4 tag */
    const char *type; /* functions: "ii_i"; globals: value letter, then 'm' if mutable */
    void *address;    /* function code, struct wasm_table/_memory, global storage */
    void (*invoke)(const union wasm_value *arguments, union wasm_value *results);
};

enum wasm_module_flags {
    WASM_MODULE_HAS_MEMORY_BIT = 1u << 0,
    WASM_MODULE_IMPORTS_MEMORY_BIT = 1u << 1,
};

struct wasm_module {
    uint32_t abi_version; /* WASM_ABI_VERSION */
    uint32_t flags;       /* enum wasm_module_flags */
    uint32_t cpu_level;   /* 2, 3 or 4: the x86-64 micro-architecture level compiled for */
    uint32_t export_count;
    struct wasm_memory *memory;          /* memory 0, or NULL */
    struct wasm_memory *const *memories; /* all memories */
    uint64_t memory_count;
    /*
     * Fills globals, tables and active segments, then runs the start function.
     * Call once, on a Wasm stack, after the memories are mapped. Traps like
     * any other compiled code.
     */
    void (*instantiate)(void);
    void (*start)(void);               /* export "_start" of type v_v, or NULL */
    void (*initialize)(void);          /* export "_initialize" of type v_v, or NULL */
    const struct wasm_export *exports; /* present with waferc --exports, else NULL */
};

/*
 * An exception (an exnref is its address): a word of state, the tag's address, then two words
 * a value. Its module has a pool of such slots (kernel/base/exception_pool.h), which
 * compiled code initialises and the runtime keeps filled.
 */
enum wasm_exception_state {
    WASM_EXCEPTION_FREE = 0,
    WASM_EXCEPTION_USED = 1, /* the handler that consumes it frees it */
    WASM_EXCEPTION_KEPT = 2, /* an exnref may outlive the handler */
};

#define WASM_EXCEPTION_CHUNKS_MAX 24u

struct wasm_exception_pool {
    uint8_t *cursor;    /* the slot that is looked at next; all below it were */
    uint8_t *chunk_end; /* cursor == chunk_end: time for wasm_rt_exception_refill */
    uint64_t slot_bytes;
    uint64_t *const *globals; /* storage of the exnrefs among the globals */
    uint64_t global_count;
    struct wasm_table *const *tables; /* those of exnrefs */
    uint64_t table_count;
    uint64_t is_shared; /* other modules may hold exnrefs: then nothing is collected */
    uint64_t chunk_at;  /* where the cursor is */
    uint64_t chunk_count;
    struct wasm_table chunks[WASM_EXCEPTION_CHUNKS_MAX]; /* once made they stay in place */
};

/*
 * Runtime services. memory_grow returns the old size in pages, or UINT64_MAX
 * when the maximum or the machine does not allow it. table_grow likewise returns
 * the old size or UINT64_MAX; new elements are zero, the caller fills them.
 */
uint64_t wasm_rt_memory_grow(struct wasm_memory *memory, uint64_t delta_pages);
uint64_t wasm_rt_table_grow(struct wasm_table *table, uint64_t delta);
/* Moves the cursor to where a free slot follows; 0 when there is none. `stack` is the lowest
 * address whose words may hold exnrefs: the caller has spilled its registers above it. */
uint64_t wasm_rt_exception_refill(struct wasm_exception_pool *pool, const uint64_t *stack);
