/*
 * The boot story, one step a line; the only file that knows every other part.
 *
 * boot.S calls kernel_main on the kernel's stack, on the boot page tables, with
 * interrupts off. Nothing here returns: the application's end is the machine's end.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drivers/drivers.h"
#include "fs/fs.h"
#include "kernel/base/string.h"
#include "kernel/clock.h"
#include "kernel/clock_boot.h"
#include "kernel/config.h"
#include "kernel/console.h"
#include "kernel/console_boot.h"
#include "kernel/irq_boot.h"
#include "kernel/log.h"
#include "kernel/machine.h"
#include "kernel/mem.h"
#include "kernel/page_check.h"
#include "kernel/panic.h"
#include "kernel/poweroff.h"
#include "kernel/poweroff_boot.h"
#include "kernel/profile.h"
#include "kernel/random.h"
#include "kernel/random_boot.h"
#include "kernel/trap.h"
#include "kernel/wait.h"
#include "kernel/wait_boot.h"
#include "kernel/wasm_runtime.h"
#include "kernel/x86/acpi.h"
#include "kernel/x86/cpu.h"
#include "kernel/x86/idt.h"
#include "net/dns.h"
#include "net/net.h"
#include "wasi/wasi.h"

/* Of all RAM: what the network may hold in buffers and connections. */
#define NETWORK_MEMORY_SHARE 4u

/* image.mk links the file system image in, or the boot loader brings it as module 0. */
extern const char wafer_tar_start[] __attribute__((weak));
extern const char wafer_tar_end[] __attribute__((weak));

extern uintptr_t __stack_chk_guard;

_Noreturn void kernel_main(uint32_t protocol, uint64_t boot_information);

/* Before the power goes: disks hold all that was written, and devices stand still. */
static void end_devices(void)
{
    profile_report();
    fs_close();
    drivers_shutdown();
}

static void start_profiler(const struct config *config)
{
    const char *value = cmdline_value(&config->line, "profile");
    uint64_t rate;
    if (value == NULL) {
        return;
    }
    const char *at = value;
    if (parse_number(&at, UINT32_MAX, &rate) != ERR_OK || *at != '\0' ||
        profile_start(rate) != ERR_OK) {
        panic("profile=%s: write samples per second, up to 10000", value);
    }
}

static void start_entropy(const struct config *config)
{
    const char *value;
    for (size_t at = 0; (value = cmdline_next(&config->line, "virtio_mmio.device", &at)) != NULL;) {
        if (drivers_add_mmio(value) != ERR_OK) {
            log_warning("boot", "virtio_mmio.device=%s is not a device", value);
        }
    }
    random_initialize();
    drivers_probe();
    poweroff_set_farewell(end_devices);
    if (!random_is_seeded()) {
        panic("no source of random numbers: give the machine RDRAND (QEMU: -cpu max) or a "
              "virtio-rng device (-device virtio-rng-pci)");
    }
}

static struct vfs_node *start_files(const struct bootinfo *info)
{
    /* cppcheck-suppress comparePointers ; symbols of the linker script, one object */
    size_t size_bytes = (size_t)(wafer_tar_end - wafer_tar_start);
    const void *tar = size_bytes != 0 ? wafer_tar_start : "";
    if (info->module_count != 0) {
        tar = machine_module(info, 0, &size_bytes);
    }
    struct vfs_node *root;
    enum err error = fs_create(tar, size_bytes, 0, &root);
    if (error != ERR_OK) {
        panic(error == ERR_NOMEM ? "no memory for the file system: give the machine more memory"
                                 : "the file system image is damaged; build it again");
    }
    return root;
}

static uint64_t hook_now(void *context)
{
    (void)context;
    return clock_monotonic_ns();
}

static void hook_random(void *context, void *data, size_t size_bytes)
{
    (void)context;
    random_fill(data, size_bytes);
}

static void *hook_allocate(void *context, size_t size_bytes)
{
    (void)context;
    return heap_allocate(size_bytes);
}

static void hook_free(void *context, void *block)
{
    (void)context;
    heap_free(block);
}

/*
 * The card interrupts only while there is nothing to do: asked for here, called off by
 * the driver as soon as it polls again.
 */
static bool poll_network(void *context, uint64_t *next_deadline_ns)
{
    struct netdev *device = drivers_network_device();
    if (net_stack_poll(context, next_deadline_ns)) {
        return true;
    }
    return device != NULL && device->ops->arm(device) && net_stack_poll(context, next_deadline_ns);
}

static struct net_stack *start_network(const struct config *config)
{
    if (drivers_network_device() == NULL && (config->has_address || config->listener_count != 0)) {
        log_warning("boot", "there is no network card: ip= and listen= reach this machine alone; "
                            "add a virtio-net device");
    }
    static const struct net_hooks hooks = {
        .now_ns = hook_now,
        .random = hook_random,
        .allocate = hook_allocate,
        .free = hook_free,
        .wake = wasi_socket_wake,
    };
    struct net_config settings = {
        .dhcp = !config->has_address,
        .prefix_length = config->prefix_length,
        .memory_limit_bytes = pages_total_count() / NETWORK_MEMORY_SHARE * PAGE_BYTES,
    };
    for (unsigned i = 0; i < 4; i++) {
        settings.address[i] = config->address[i];
        settings.gateway[i] = config->gateway[i];
        settings.dns[i] = config->dns[i];
    }
    struct net_stack *stack;
    if (net_stack_create(&hooks, drivers_network_device(), &settings, &stack) != ERR_OK) {
        panic("no memory for the network: give the machine more memory");
    }
    static struct wait_poller poller = {.poll = poll_network};
    poller.context = stack;
    wait_register(&poller);
    return stack;
}

/* The image's /etc/hosts. What an application writes there later is no business of the resolver. */
static void read_hosts(struct vfs_node *root, struct net_stack *network)
{
    static const char path[] = "etc/hosts";
    struct vfs_node *file;
    struct vfs_span span;

    if (vfs_open(root, path, sizeof(path) - 1, VFS_OPEN_FOLLOW, &file) != ERR_OK) {
        return;
    }
    if (vfs_read_span(file, 0, SIZE_MAX, &span) == ERR_OK && span.permanent) {
        dns_set_hosts(network, span.data, span.size_bytes);
    }
    vfs_node_put(file);
}

/* The directories that the application is given, in the order of their descriptors. */
static struct {
    struct wasi_preopen list[CONFIG_LIST_MAX + FS_VOLUMES_MAX + FS_MOUNTS_MAX];
    size_t count;
} preopens;

static void open_directories(const struct config *config, struct vfs_node *root)
{
    for (size_t i = 0; i < config->directory_count; i++) {
        struct wasi_preopen *preopen = &preopens.list[preopens.count++];
        preopen->guest_path = config->directories[i];
        if (fs_open_preopen(root, config->directories[i], &preopen->directory) != ERR_OK) {
            panic("dir=%s: no such directory in the file system image", config->directories[i]);
        }
    }
}

/* The disk with this serial number, which the bytes before the colon name. */
static struct blockdev *find_disk(const char *name, size_t length)
{
    struct blockdev *disk;
    for (size_t i = 0; (disk = drivers_block_device(i)) != NULL; i++) {
        if (strlen(disk->serial) == length && strncmp(disk->serial, name, length) == 0) {
            return disk;
        }
    }
    return NULL;
}

/* The colon of NAME:GUEST. */
static const char *find_colon(const char *key, const char *value)
{
    const char *colon = strchr(value, ':');
    if (colon == NULL || colon[1] == '\0') {
        panic("%s=%s: write NAME:GUEST", key, value);
    }
    return colon;
}

/* volume=SERIAL:GUEST, one for each disk with a file system. */
static void open_volumes(const struct config *config)
{
    const char *value;
    for (size_t at = 0; (value = cmdline_next(&config->line, "volume", &at)) != NULL;) {
        const char *colon = find_colon("volume", value);
        struct blockdev *disk = find_disk(value, (size_t)(colon - value));
        if (disk == NULL) {
            panic("volume=%s: no disk has this serial number", value);
        }
        struct wasi_preopen preopen = {.guest_path = colon + 1};
        if (fs_open_volume(disk, &preopen.directory) != ERR_OK) {
            panic("volume=%s: the disk cannot be mounted", value);
        }
        preopens.list[preopens.count++] = preopen;
    }
}

/* The directory of the host under this tag, which the bytes before the colon name. */
static struct p9_channel *find_channel(const char *name, size_t length)
{
    struct p9_channel *channel;
    for (size_t i = 0; (channel = drivers_p9_channel(i)) != NULL; i++) {
        if (strlen(channel->tag) == length && strncmp(channel->tag, name, length) == 0) {
            return channel;
        }
    }
    return NULL;
}

/* mount=TAG:GUEST, one for each directory of the host. */
static void open_mounts(const struct config *config)
{
    const char *value;
    for (size_t at = 0; (value = cmdline_next(&config->line, "mount", &at)) != NULL;) {
        const char *colon = find_colon("mount", value);
        struct p9_channel *channel = find_channel(value, (size_t)(colon - value));
        if (channel == NULL) {
            panic("mount=%s: no virtio 9P device has this tag; with QEMU: -device virtio-9p-pci,"
                  "fsdev=...,mount_tag=...",
                  value);
        }
        struct wasi_preopen preopen = {.guest_path = colon + 1};
        if (fs_open_mount(channel, &preopen.directory) != ERR_OK) {
            panic("mount=%s: the directory cannot be mounted", value);
        }
        preopens.list[preopens.count++] = preopen;
    }
}

static _Noreturn void start_application(const struct config *config, struct vfs_node *root,
                                        struct net_stack *network)
{
    static struct wasi_listener listeners[CONFIG_LIST_MAX];
    for (size_t i = 0; i < config->listener_count; i++) {
        for (unsigned byte = 0; byte < 4; byte++) {
            listeners[i].address[byte] = config->listeners[i].address[byte];
        }
        listeners[i].port = config->listeners[i].port;
    }
    open_directories(config, root);
    open_volumes(config);
    open_mounts(config);
    static struct wasi_config settings;
    settings = (struct wasi_config){
        .module = &wasm_module,
        .arguments = config->arguments,
        .argument_count = config->argument_count,
        .environment = config->environment,
        .environment_count = config->environment_count,
        .preopens = preopens.list,
        .preopen_count = preopens.count,
        .network = network,
        .listeners = listeners,
        .listener_count = config->listener_count,
    };
    if (config->log_level >= LOG_INFO) {
        static const char started[] = "wafer: application started\n";
        console_write(CONSOLE_LOG, started, sizeof(started) - 1);
    }
    wasi_start(&settings);
}

_Noreturn void kernel_main(uint32_t protocol, uint64_t boot_information)
{
    cpu_initialize();
    console_initialize();
    idt_initialize();
    trap_initialize();

    const struct bootinfo *info = machine_read_bootinfo(protocol, boot_information);
    machine_start_memory(info);

    size_t line_bytes;
    const char *line = machine_cmdline(info, &line_bytes);
    const struct config *config = config_read(line, line_bytes);
    console_set_terminals(config->terminals);

    clock_initialize();
    if (irq_initialize() != ERR_OK) {
        panic("this machine has no local APIC; choose one that has");
    }
    console_start_input();
    poweroff_set_acpi(acpi_find_poweroff(info->acpi_rsdp));
    if (config->timeout_ns != 0) {
        wait_set_limit(clock_monotonic_ns() + config->timeout_ns);
    }

    log_debug("boot", "interrupts and power-off ready");
    start_entropy(config);
    log_debug("boot", "devices ready");
    /* Set here, where no function that compares with the old value is still to return. */
    uintptr_t guard;
    random_fill(&guard, sizeof(guard));
    __stack_chk_guard = guard;
    struct vfs_node *root = start_files(info);
    log_debug("boot", "files ready");
    struct net_stack *network = start_network(config);
    read_hosts(root, network);
    log_debug("boot", "network ready");

    if (wasm_runtime_prepare(&wasm_module) != ERR_OK) {
        panic("the application's memory does not fit: it wants %llu MiB at start, %llu MiB of RAM "
              "are free; give the machine more memory",
              wasm_module.memory != NULL
                  ? (unsigned long long)wasm_module.memory->minimum_pages * WASM_PAGE_BYTES >> 20
                  : 0ull,
              (unsigned long long)pages_free_count() * PAGE_BYTES >> 20);
    }
    const char *check = cmdline_value(&config->line, "check");
    page_check_enable(check != NULL && strcmp(check, "pages") == 0);
    page_check_run("boot");
    log_info("boot", "ready after %llu us; %llu of %llu KiB free",
             (unsigned long long)clock_monotonic_ns() / 1000u,
             (unsigned long long)pages_free_count() * PAGE_BYTES >> 10,
             (unsigned long long)pages_total_count() * PAGE_BYTES >> 10);
    start_profiler(config);
    wait_begin();
    start_application(config, root, network);
}
