/* preview 1 witx, in the order of its enumerations. */
#include "trace/names.h"

#include <stddef.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static const char *const clock_names[] = {"REALTIME", "MONOTONIC", "PROCESS_CPUTIME",
                                          "THREAD_CPUTIME"};
static const char *const filetype_names[] = {"unknown",   "block-device", "character-device",
                                             "directory", "regular-file", "datagram",
                                             "stream",    "symbolic-link"};

static void add_choice(struct trace_text *text, uint64_t value, const char *const *names,
                       size_t count)
{
    if (value < count) {
        trace_text_add(text, "%s", names[value]);
    } else {
        trace_text_add(text, "%llu", (unsigned long long)value);
    }
}

void trace_text_flags(struct trace_text *text, char kind, uint64_t value)
{
    static const char *const open[] = {"CREAT", "DIRECTORY", "EXCL", "TRUNC"};
    static const char *const descriptor[] = {"APPEND", "DSYNC", "NONBLOCK", "RSYNC", "SYNC"};
    static const char *const times[] = {"ATIM", "ATIM_NOW", "MTIM", "MTIM_NOW"};
    static const char *const receive[] = {"PEEK", "WAITALL"};
    static const char *const lookup[] = {"FOLLOW"};
    static const char *const how[] = {"RD", "WR"};

    switch (kind) {
    case 'o':
        trace_text_bits(text, value, open, COUNT_OF(open));
        return;
    case 'd':
        trace_text_bits(text, value, descriptor, COUNT_OF(descriptor));
        return;
    case 'T':
        trace_text_bits(text, value, times, COUNT_OF(times));
        return;
    case 'i':
        trace_text_bits(text, value, receive, COUNT_OF(receive));
        return;
    case 'h':
        trace_text_bits(text, value, how, COUNT_OF(how));
        return;
    default:
        trace_text_bits(text, value, lookup, COUNT_OF(lookup));
    }
}

void trace_text_whence(struct trace_text *text, uint64_t value, bool is_snapshot0)
{
    static const char *const preview1[] = {"SET", "CUR", "END"};
    static const char *const snapshot0[] = {"CUR", "END", "SET"};

    add_choice(text, value, is_snapshot0 ? snapshot0 : preview1, 3);
}

void trace_text_clock(struct trace_text *text, uint64_t value)
{
    add_choice(text, value, clock_names, COUNT_OF(clock_names));
}

void trace_text_filetype(struct trace_text *text, uint64_t value)
{
    add_choice(text, value, filetype_names, COUNT_OF(filetype_names));
}

void trace_text_event(struct trace_text *text, uint64_t value)
{
    static const char *const names[] = {"clock", "read", "write"};

    add_choice(text, value, names, COUNT_OF(names));
}

const char *trace_errno_name(uint32_t number)
{
    static const char *const names[] = {
        "SUCCESS",     "2BIG",           "ACCES",         "ADDRINUSE",   "ADDRNOTAVAIL",
        "AFNOSUPPORT", "AGAIN",          "ALREADY",       "BADF",        "BADMSG",
        "BUSY",        "CANCELED",       "CHILD",         "CONNABORTED", "CONNREFUSED",
        "CONNRESET",   "DEADLK",         "DESTADDRREQ",   "DOM",         "DQUOT",
        "EXIST",       "FAULT",          "FBIG",          "HOSTUNREACH", "IDRM",
        "ILSEQ",       "INPROGRESS",     "INTR",          "INVAL",       "IO",
        "ISCONN",      "ISDIR",          "LOOP",          "MFILE",       "MLINK",
        "MSGSIZE",     "MULTIHOP",       "NAMETOOLONG",   "NETDOWN",     "NETRESET",
        "NETUNREACH",  "NFILE",          "NOBUFS",        "NODEV",       "NOENT",
        "NOEXEC",      "NOLCK",          "NOLINK",        "NOMEM",       "NOMSG",
        "NOPROTOOPT",  "NOSPC",          "NOSYS",         "NOTCONN",     "NOTDIR",
        "NOTEMPTY",    "NOTRECOVERABLE", "NOTSOCK",       "NOTSUP",      "NOTTY",
        "NXIO",        "OVERFLOW",       "OWNERDEAD",     "PERM",        "PIPE",
        "PROTO",       "PROTONOSUPPORT", "PROTOTYPE",     "RANGE",       "ROFS",
        "SPIPE",       "SRCH",           "STALE",         "TIMEDOUT",    "TXTBSY",
        "XDEV",        "NOTCAPABLE",     "AI_ADDRFAMILY", "AI_AGAIN",    "AI_BADFLAGS",
        "AI_FAIL",     "AI_FAMILY",      "AI_MEMORY",     "AI_NODATA",   "AI_NONAME",
        "AI_SERVICE",  "AI_SOCKTYPE",    "AI_SYSTEM",
    };

    return number < COUNT_OF(names) ? names[number] : NULL;
}
