/* A channel in front of each 9P channel: requests of mounts are shown among disk transfers. */
#include <stddef.h>

#include "kernel/base/string.h"
#include "kernel/clock.h"
#include "trace/trace.h"
#include "trace/wrap.h"

/* More mounts than a machine here has; the rest stays as it is. */
#define MOUNTS_MAX 16u

/* size[4] type[1] tag[2]; then a file's fid[4], where there is one. An Rlerror has an errno[4]. */
#define TYPE_OFFSET   4u
#define HEADER_BYTES  7u
#define WITH_FID      11u
#define TYPE_RLERROR  7u
#define TYPE_TVERSION 100u

static struct front {
    struct p9_channel channel;
    struct p9_channel *real;
} fronts[MOUNTS_MAX];

static const char *type_name(uint8_t type)
{
    static const struct {
        uint8_t type;
        const char *name;
    } names[] = {
        {12, "lopen"},    {14, "lcreate"},  {16, "symlink"},  {22, "readlink"}, {24, "getattr"},
        {26, "setattr"},  {40, "readdir"},  {50, "fsync"},    {70, "link"},     {72, "mkdir"},
        {74, "renameat"}, {76, "unlinkat"}, {100, "version"}, {104, "attach"},  {110, "walk"},
        {116, "read"},    {118, "write"},   {120, "clunk"},
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].type == type) {
            return names[i].name;
        }
    }
    return "request";
}

static uint32_t word(const uint8_t *bytes)
{
    uint32_t value;

    memcpy(&value, bytes, sizeof(value));
    return value;
}

static enum err exchange(struct p9_channel *front, const void *request, uint32_t request_bytes,
                         void *reply, uint32_t reply_bytes_max, uint32_t *reply_bytes)
{
    static struct trace_text text;
    struct p9_channel *real = ((struct front *)front)->real;
    const uint8_t *asked = request, *answered = reply;
    /* The next message may be built where this one is. */
    uint8_t type = request_bytes >= HEADER_BYTES ? asked[TYPE_OFFSET] : 0;
    bool has_fid = request_bytes >= WITH_FID && type != TYPE_TVERSION;
    uint32_t fid = has_fid ? word(asked + HEADER_BYTES) : 0;
    uint64_t start_ns = clock_monotonic_ns();
    enum err error =
        real->exchange(real, request, request_bytes, reply, reply_bytes_max, reply_bytes);

    trace_text_clear(&text);
    trace_text_quote(&text, front->tag, strlen(front->tag), false);
    trace_text_add(&text, " 9p %s", type_name(type));
    if (has_fid) {
        trace_text_add(&text, " fid %u", fid);
    }
    trace_text_add(&text, ", %u bytes", request_bytes);
    if (error != ERR_OK) {
        trace_text_add(&text, " = error %d", (int)error);
    } else if (*reply_bytes >= WITH_FID && answered[TYPE_OFFSET] == TYPE_RLERROR) {
        trace_text_add(&text, " = errno %u", word(answered + HEADER_BYTES));
    } else {
        trace_text_add(&text, " = ok, %u bytes", *reply_bytes);
    }
    trace_text_add(&text, " <%llu us>",
                   (unsigned long long)((clock_monotonic_ns() - start_ns) / 1000));
    trace_line(TRACE_DISK, &text);
    return error;
}

struct p9_channel *__wrap_drivers_p9_channel(size_t index)
{
    struct p9_channel *real = __real_drivers_p9_channel(index);

    if (real == NULL || index >= MOUNTS_MAX || !trace_is_on(TRACE_DISK)) {
        return real;
    }
    if (fronts[index].real == NULL) {
        fronts[index].channel = *real;
        fronts[index].channel.exchange = exchange;
        fronts[index].real = real;
    }
    return &fronts[index].channel;
}
