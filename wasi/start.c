#include "wasi/wasi.h"

#include "fs/fs.h"
#include "kernel/clock.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/poweroff.h"
#include "kernel/wait.h"
#include "kernel/wasm_runtime.h"
#include "net/net.h"
#include "net/socket.h"
#include "wasi/descriptor.h"
#include "wasi/guest_memory.h"
#include "wasi/instance.h"
#include "wasi/poll.h"
#include "wasi/types.h"

#define TAG "wasi"

/* Connections that wait to be accepted, as many as Linux's default (SOMAXCONN). */
#define LISTENER_BACKLOG 4096u

struct wasi_instance wasi_instance;

static enum err open_console(void)
{
    for (uint32_t number = 0; number < 3; number++) {
        struct wasi_descriptor *descriptor;
        enum err error = wasi_descriptor_open(
            WASI_KIND_CONSOLE, number == 0 ? WASI_RIGHTS_CONSOLE_INPUT : WASI_RIGHTS_CONSOLE_OUTPUT,
            0, &descriptor);

        if (error != ERR_OK) {
            return error;
        }
        descriptor->console = number;
    }
    return ERR_OK;
}

static enum err open_listening_socket(struct net_stack *network,
                                      const struct wasi_listener *listener, struct net_socket **out)
{
    struct net_endpoint local = {.port = listener->port};
    const uint8_t *a = listener->address;
    enum err error;

    if ((a[0] | a[1] | a[2] | a[3]) != 0) {
        local.address = ip_address_from_ipv4(a);
    }
    if (network == NULL) {
        return ERR_NETDOWN;
    }
    error = net_socket_open(network, NET_FAMILY_IPV4, NET_SOCKET_STREAM, out);
    if (error != ERR_OK) {
        return error;
    }
    error = net_socket_bind(*out, &local);
    if (error == ERR_OK) {
        error = net_socket_listen(*out, LISTENER_BACKLOG);
    }
    if (error != ERR_OK) {
        net_socket_close(*out);
    }
    return error;
}

static enum err open_listener(const struct wasi_config *config, size_t index)
{
    const struct wasi_listener *listener = &config->listeners[index];
    struct wasi_descriptor *descriptor;
    struct net_socket *socket;
    enum err error = open_listening_socket(config->network, listener, &socket);

    if (error != ERR_OK) {
        log_error(TAG, "cannot listen on port %u: error %d", listener->port, (int)error);
        return error;
    }
    error =
        wasi_descriptor_open(WASI_KIND_SOCKET, WASI_RIGHTS_SOCKET, WASI_RIGHTS_SOCKET, &descriptor);
    if (error != ERR_OK) {
        net_socket_close(socket);
        return error;
    }
    descriptor->is_preopen = true;
    descriptor->socket.socket = socket;
    net_socket_set_user(socket, descriptor);
    return ERR_OK;
}

static enum err open_preopen(const struct wasi_preopen *preopen)
{
    struct wasi_descriptor *descriptor;
    enum err error = wasi_descriptor_open(WASI_KIND_DIRECTORY, WASI_RIGHTS_DIRECTORY,
                                          WASI_RIGHTS_ALL, &descriptor);

    if (error == ERR_OK) {
        descriptor->is_preopen = true;
        descriptor->directory.node = preopen->directory;
        descriptor->directory.guest_path = preopen->guest_path;
    }
    return error;
}

enum err wasi_instance_begin(const struct wasi_config *config)
{
    enum err error;

    wasi_instance.config = config;
    guest_memory_attach(config->module->memory);
    error = open_console();
    for (size_t i = 0; i < config->listener_count && error == ERR_OK; i++) {
        error = open_listener(config, i);
    }
    for (size_t i = 0; i < config->preopen_count && error == ERR_OK; i++) {
        error = open_preopen(&config->preopens[i]);
    }
    return error;
}

/* How long a peer may take to acknowledge what was sent before the application ended. */
#define DRAIN_NS 3000000000ull

static void drain_network(struct net_stack *network)
{
    uint64_t deadline_ns = clock_monotonic_ns() + DRAIN_NS;

    (void)wait_poll();
    while (!net_stack_is_drained(network) && clock_monotonic_ns() < deadline_ns) {
        wait_once(deadline_ns);
    }
}

void wasi_wait(uint64_t deadline_ns)
{
    uint64_t files_ns = fs_idle();

    wait_once(files_ns < deadline_ns ? files_ns : deadline_ns);
}

void wasi_instance_end(void)
{
    struct fd_table *table = &wasi_instance.descriptors;

    for (uint32_t number = 0; number < table->capacity && table->count != 0; number++) {
        struct wasi_descriptor *descriptor = fd_table_get(table, number);

        if (descriptor != NULL) {
            wasi_descriptor_close(descriptor);
        }
    }
    fd_table_destroy(table);
    if (wasi_instance.config->network != NULL) {
        drain_network(wasi_instance.config->network);
    }
}

_Noreturn void wasi_start(const struct wasi_config *config)
{
    const struct wasm_module *module = config->module;
    enum err error = wasi_instance_begin(config);

    if (error != ERR_OK) {
        panic("the descriptors that the module starts with cannot be opened (error %d)",
              (int)error);
    }
    if (module->instantiate != NULL) {
        wasm_call(module->instantiate);
    }
    if (module->initialize != NULL) {
        wasm_call(module->initialize);
    }
    if (module->start != NULL) {
        wasm_call(module->start);
    } else if (module->initialize == NULL) {
        log_warning(TAG, "the module exports neither _start nor _initialize: nothing to run");
    }
    wasi_instance_end();
    machine_exit(0);
}

void wasi_socket_wake(void *context, struct net_socket *socket)
{
    struct wasi_descriptor *descriptor = net_socket_user(socket);

    (void)context;
    if (descriptor != NULL) {
        wasi_poll_mark(descriptor);
    }
}
