#include "fs/p9/p9_client.h"

#include "fs/p9/p9_errno.h"
#include "kernel/base/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"

#define BUFFER_PAGES (P9_BUFFER_BYTES / PAGE_BYTES)

/* One request at a time, so the tag does not tell them apart; Tversion has its own. */
#define TAG_OF_ALL     1u
#define TAG_OF_VERSION 0xffffu

#define UNLINK_DIRECTORY_BIT 0x200u /* AT_REMOVEDIR */

static const char version[] = "9P2000.L";

enum err p9_fail(struct p9_client *client, const char *reason)
{
    if (!client->is_failed) {
        client->is_failed = true;
        log_error("p9", "mount \"%s\" is given up: %s", client->channel->tag, reason);
    }
    return ERR_IO;
}

/* ---- Messages ---------------------------------------------------------------------------------
 */

static void *message_take(struct p9_message *message, uint32_t bytes)
{
    if (message->is_short || bytes > message->size_bytes - message->at) {
        message->is_short = true;
        return NULL;
    }
    message->at += bytes;
    return message->bytes + message->at - bytes;
}

static void begin_at(struct p9_client *client, uint8_t *start, enum p9_type type)
{
    uint8_t *end = client->buffers + P9_BUFFER_BYTES;

    client->out = (struct p9_message){.bytes = start, .size_bytes = (uint32_t)(end - start)};
    p9_put(client, 0, 4); /* the size, known later */
    p9_put(client, type, 1);
    p9_put(client, type == P9_TVERSION ? TAG_OF_VERSION : TAG_OF_ALL, 2);
}

void p9_begin(struct p9_client *client, enum p9_type type, uint32_t fid)
{
    begin_at(client, client->buffers, type);
    p9_put(client, fid, 4);
}

void p9_begin_write(struct p9_client *client, uint8_t *data, uint32_t fid)
{
    begin_at(client, data - P9_WRITE_HEADER_BYTES, P9_TWRITE);
    p9_put(client, fid, 4);
}

void p9_put(struct p9_client *client, uint64_t value, uint32_t bytes)
{
    void *to = message_take(&client->out, bytes);

    if (to != NULL) {
        memcpy(to, &value, bytes);
    }
}

void p9_put_string(struct p9_client *client, const char *text, size_t size_bytes)
{
    p9_put(client, size_bytes, 2);
    void *to = message_take(&client->out, (uint32_t)size_bytes);
    if (to != NULL) {
        memcpy(to, text, size_bytes);
    }
}

void p9_put_name(struct p9_client *client, struct vfs_name name)
{
    p9_put_string(client, name.bytes, name.size_bytes);
}

uint64_t p9_get(struct p9_client *client, uint32_t bytes)
{
    uint64_t value = 0;
    const void *from = message_take(&client->in, bytes);

    if (from != NULL) {
        memcpy(&value, from, bytes);
    }
    return value;
}

struct p9_qid p9_get_qid(struct p9_client *client)
{
    struct p9_qid qid = {.type = (uint8_t)p9_get(client, 1)};

    (void)p9_get(client, 4); /* version */
    qid.path = p9_get(client, 8);
    return qid;
}

struct vfs_name p9_get_string(struct p9_client *client)
{
    uint32_t bytes = (uint32_t)p9_get(client, 2);

    return (struct vfs_name){message_take(&client->in, bytes), bytes};
}

enum err p9_check(struct p9_client *client)
{
    return client->in.is_short ? p9_fail(client, "an answer is too short") : ERR_OK;
}

enum err p9_call(struct p9_client *client)
{
    struct p9_message *in = &client->in;
    uint8_t *request = client->out.bytes;
    uint8_t *reply = client->buffers + P9_BUFFER_BYTES + P9_DATA_OFFSET - P9_READ_HEADER_BYTES;
    uint32_t reply_bytes = 0;

    if (client->is_failed || client->out.is_short) {
        return client->is_failed ? ERR_IO : ERR_NAMETOOLONG;
    }
    memcpy(request, &client->out.at, 4);
    enum err err =
        client->channel->exchange(client->channel, request, client->out.at, reply,
                                  P9_READ_HEADER_BYTES + client->data_bytes_max, &reply_bytes);
    if (err != ERR_OK) {
        return err == ERR_BUSY ? err : p9_fail(client, "no answer");
    }
    *in = (struct p9_message){.bytes = reply, .size_bytes = reply_bytes};
    uint32_t size_bytes = (uint32_t)p9_get(client, 4);
    uint8_t type = (uint8_t)p9_get(client, 1);
    uint16_t tag = (uint16_t)p9_get(client, 2);
    if (in->is_short || size_bytes < P9_HEADER_BYTES || size_bytes > reply_bytes) {
        return p9_fail(client, "an answer has a wrong size");
    }
    in->size_bytes = size_bytes;
    if (memcmp(&tag, request + 5, 2) != 0) {
        return p9_fail(client, "an answer to something else");
    }
    if (type == P9_RLERROR) {
        uint32_t number = (uint32_t)p9_get(client, 4);
        err = p9_check(client);
        return err == ERR_OK ? p9_errno(number) : err;
    }
    return type == request[4] + 1 ? ERR_OK : p9_fail(client, "an answer of a wrong type");
}

/* ---- Fids -------------------------------------------------------------------------------------
 */

enum err p9_fid_take(struct p9_client *client, uint32_t *fid)
{
    if (client->free_count != 0) {
        *fid = client->free_fids[--client->free_count];
        return ERR_OK;
    }
    /* Room to give all of them back, so that giving back cannot fail. */
    if (client->next_fid == client->capacity) {
        uint32_t capacity = client->capacity == 0 ? 64 : client->capacity * 2;
        uint32_t *fids = heap_resize(client->free_fids, capacity * sizeof(fids[0]));
        if (fids == NULL) {
            return ERR_NOMEM;
        }
        client->free_fids = fids;
        client->capacity = capacity;
    }
    *fid = client->next_fid++;
    return ERR_OK;
}

void p9_fid_return(struct p9_client *client, uint32_t fid)
{
    client->free_fids[client->free_count++] = fid;
}

enum err p9_walk(struct p9_client *client, uint32_t fid, struct vfs_name name, uint32_t *new_fid,
                 struct p9_qid *qid)
{
    uint32_t taken;
    bool is_clone = name.size_bytes == 0;
    enum err err = p9_fid_take(client, &taken);
    if (err != ERR_OK) {
        return err;
    }
    p9_begin(client, P9_TWALK, fid);
    p9_put(client, taken, 4);
    p9_put(client, is_clone ? 0 : 1, 2);
    if (!is_clone) {
        p9_put_name(client, name);
    }
    err = p9_call(client);
    if (err == ERR_OK && p9_get(client, 2) != (is_clone ? 0u : 1u)) {
        err = p9_fail(client, "a count in an answer is wrong");
    }
    if (err == ERR_OK && !is_clone) {
        *qid = p9_get_qid(client);
        err = p9_check(client);
    }
    if (err != ERR_OK) {
        p9_fid_return(client, taken);
        return err;
    }
    *new_fid = taken;
    return ERR_OK;
}

void p9_clunk(struct p9_client *client, uint32_t fid)
{
    p9_begin(client, P9_TCLUNK, fid);
    (void)!p9_call(client); /* The fid is gone in any case. */
    p9_fid_return(client, fid);
}

enum err p9_open(struct p9_client *client, uint32_t fid, uint32_t flags, uint64_t *inode)
{
    p9_begin(client, P9_TLOPEN, fid);
    p9_put(client, flags, 4);
    enum err err = p9_call(client);
    if (err != ERR_OK) {
        return err;
    }
    *inode = p9_get_qid(client).path;
    return p9_check(client);
}

enum err p9_unlink(struct p9_client *client, uint32_t directory, struct vfs_name name,
                   bool is_directory)
{
    p9_begin(client, P9_TUNLINKAT, directory);
    p9_put_name(client, name);
    p9_put(client, is_directory ? UNLINK_DIRECTORY_BIT : 0, 4);
    return p9_call(client);
}

/* ---- Starting ---------------------------------------------------------------------------------
 */

static enum err agree(struct p9_client *client)
{
    begin_at(client, client->buffers, P9_TVERSION);
    p9_put(client, P9_DATA_BYTES_MAX + P9_IO_HEADER_BYTES, 4);
    p9_put_string(client, version, sizeof(version) - 1);
    enum err err = p9_call(client);
    if (err != ERR_OK) {
        return err;
    }
    uint32_t message_bytes = (uint32_t)p9_get(client, 4);
    struct vfs_name answer = p9_get_string(client);
    err = p9_check(client);
    if (err != ERR_OK) {
        return err;
    }
    if (answer.size_bytes != sizeof(version) - 1 ||
        memcmp(answer.bytes, version, sizeof(version) - 1) != 0 ||
        message_bytes < P9_DATA_BYTES_MIN + P9_IO_HEADER_BYTES) {
        (void)p9_fail(client, "it does not speak 9P2000.L with messages of 8 KiB");
        return ERR_NOTSUP;
    }
    if (message_bytes - P9_IO_HEADER_BYTES < client->data_bytes_max) {
        client->data_bytes_max = message_bytes - P9_IO_HEADER_BYTES;
    }
    return ERR_OK;
}

enum err p9_client_start(struct p9_client *client, struct p9_channel *channel)
{
    struct phys_addr pages;
    enum err err = pages_allocate(2 * BUFFER_PAGES, &pages);
    if (err != ERR_OK) {
        return err;
    }
    *client = (struct p9_client){
        .channel = channel,
        .buffers = phys_to_virt(pages),
        .data_bytes_max = P9_DATA_BYTES_MAX,
    };
    err = agree(client);
    if (err != ERR_OK) {
        p9_client_destroy(client);
    }
    return err;
}

void p9_client_destroy(struct p9_client *client)
{
    pages_free(virt_to_phys(client->buffers), 2 * BUFFER_PAGES);
    heap_free(client->free_fids);
}
