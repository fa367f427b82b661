/*
 * Snapshot 0, module wasi_unstable: preview 1 but for the layout of $filestat (32-bit link
 * count), the numbers of $whence, and $subscription (a clock has an identifier of its own).
 */
#include "wasi/calls.h"

#include "wasi/errno.h"
#include "wasi/filestat.h"
#include "wasi/poll.h"
#include "wasi/types.h"

uint32_t wasi_unstable_fd_filestat_get(uint32_t fd, uint32_t out)
{
    return wasi_errno(wasi_descriptor_filestat(fd, guest_address(out), WASI_SNAPSHOT_UNSTABLE));
}

uint32_t wasi_unstable_path_filestat_get(uint32_t fd, uint32_t lookup, uint32_t path,
                                         uint32_t path_bytes, uint32_t out)
{
    struct wasi_path_argument argument = {fd, lookup, guest_address(path), path_bytes};

    return wasi_errno(wasi_path_filestat(&argument, guest_address(out), WASI_SNAPSHOT_UNSTABLE));
}

uint32_t wasi_unstable_fd_seek(uint32_t fd, uint64_t offset, uint32_t whence, uint32_t new_offset)
{
    static const uint8_t translated[] = {WASI_WHENCE_CUR, WASI_WHENCE_END, WASI_WHENCE_SET};

    if (whence >= sizeof(translated)) {
        return wasi_errno(ERR_INVAL);
    }
    return wasi_fd_seek(fd, offset, translated[whence], new_offset);
}

uint32_t wasi_unstable_poll_oneoff(uint32_t in, uint32_t out, uint32_t count, uint32_t nevents)
{
    struct wasi_poll_request request = {
        .subscriptions = guest_address(in),
        .events = guest_address(out),
        .count = count,
        .event_count = guest_address(nevents),
        .snapshot = WASI_SNAPSHOT_UNSTABLE,
    };

    return wasi_errno(wasi_poll(&request));
}
