#include "fs/p9/p9.h"
#include "fs/p9/p9_node.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/random.h"

static enum err attach(struct p9_mount *mount)
{
    struct p9_client *client = &mount->client;
    uint32_t fid;
    enum err err = p9_fid_take(client, &fid);

    if (err != ERR_OK) {
        return err;
    }
    p9_begin(client, P9_TATTACH, fid);
    p9_put(client, P9_NO_FID, 4); /* no authentication */
    p9_put_string(client, "", 0);
    p9_put_string(client, "", 0);
    p9_put(client, P9_NO_ID, 4);
    err = p9_call(client);
    if (err != ERR_OK) {
        return err;
    }
    struct p9_qid qid = p9_get_qid(client);
    err = p9_check(client);
    if (err == ERR_OK && (qid.type & P9_QID_DIRECTORY_BIT) == 0) {
        err = ERR_NOTDIR;
    }
    return err == ERR_OK ? p9_node_create(mount, NULL, fid, qid, &mount->root) : err;
}

enum err p9_mount(struct p9_channel *channel, uint32_t device, struct vfs_node **root)
{
    struct p9_mount *mount = heap_allocate_zeroed(1, sizeof(*mount));
    enum err err = mount == NULL ? ERR_NOMEM : ERR_OK;

    if (err == ERR_OK && channel->is_mounted) {
        err = ERR_BUSY;
    }
    if (err == ERR_OK) {
        err = p9_client_start(&mount->client, channel);
    }
    if (err == ERR_OK) {
        mount->device = device;
        random_fill(&mount->key, sizeof(mount->key));
        err = attach(mount);
        if (err != ERR_OK) {
            p9_client_destroy(&mount->client);
        }
    }
    if (err != ERR_OK) {
        log_error("p9", "\"%s\" cannot be mounted (error %d)", channel->tag, (int)err);
        heap_free(mount);
        return err;
    }
    channel->is_mounted = true;
    *root = &mount->root->vfs;
    return ERR_OK;
}

void p9_unmount(struct vfs_node *root)
{
    struct p9_mount *mount = p9_node_of(root)->mount;

    for (unsigned i = 0; i < P9_BUCKETS; i++) {
        for (struct p9_node *node = mount->open_files[i]; node != NULL; node = node->open_next) {
            p9_hidden_remove(node);
        }
    }
    mount->client.is_failed = true;
}
