#include "trace/stats.h"

#include <stdbool.h>
#include <stddef.h>

#include "drivers/virtio.h"
#include "kernel/base/fmt.h"
#include "kernel/base/string.h"
#include "kernel/clock.h"
#include "kernel/irq_boot.h"
#include "kernel/panic.h"
#include "kernel/wasm_runtime.h"
#include "kernel/x86/apic.h"
#include "kernel/x86/timesource.h"
#include "kernel/x86/uart.h"
#include "trace/net.h"
#include "trace/wrap.h"

#define TRANSPORTS_MAX 4u

struct stats stats;

/* ---- Exits -------------------------------------------------------------------------------------
 */

void __wrap_console_write(enum console_stream stream, const void *data, size_t size_bytes)
{
    stats.console_writes++;
    stats.console_bytes += size_bytes;
    __real_console_write(stream, data, size_bytes);
}

void __wrap_uart_write(const void *data, size_t size_bytes)
{
    stats.uart_bytes += size_bytes;
    __real_uart_write(data, size_bytes);
}

void __wrap_apic_timer_set(uint64_t at_ns)
{
    stats.timer_sets++;
    __real_apic_timer_set(at_ns);
}

void __wrap_clock_add_halted_ns(uint64_t ns)
{
    stats.halts++;
    stats.halted_ns += ns;
    __real_clock_add_halted_ns(ns);
}

/* The buses' notify functions, each behind a copy of its table that counts. */
static struct {
    const struct virtio_transport *original;
    struct virtio_transport counting;
} transports[TRANSPORTS_MAX];

static void notify(struct virtio_device *device, uint16_t queue)
{
    stats.kicks++;
    for (size_t i = 0; i < TRANSPORTS_MAX; i++) {
        if (device->transport == &transports[i].counting) {
            transports[i].original->notify(device, queue);
            return;
        }
    }
    panic("a virtio transport is not counted");
}

static void count_notifications(struct virtio_device *device)
{
    for (size_t i = 0; i < TRANSPORTS_MAX; i++) {
        if (device->transport == &transports[i].counting) {
            return;
        }
        if (transports[i].original == NULL) {
            transports[i].original = device->transport;
            transports[i].counting = *device->transport;
            transports[i].counting.notify = notify;
        }
        if (transports[i].original == device->transport) {
            device->transport = &transports[i].counting;
            return;
        }
    }
}

enum err __wrap_virtqueue_create(struct virtqueue *queue, struct virtio_device *device,
                                 uint16_t index, uint16_t size, uint16_t indirect_segments)
{
    count_notifications(device);
    return __real_virtqueue_create(queue, device, index, size, indirect_segments);
}

/* ---- The report --------------------------------------------------------------------------------
 */

/* Whether something stands before the next member of the object. */
static bool has_member;

static void write_text(const char *text)
{
    __real_console_write(CONSOLE_LOG, text, strlen(text));
}

static void begin_member(const char *name)
{
    write_text(has_member ? ",\"" : "\"");
    write_text(name);
    write_text("\":");
    has_member = true;
}

static void number(const char *name, uint64_t value)
{
    char digits[24];

    begin_member(name);
    (void)fmt_format(digits, sizeof(digits), "%llu", (unsigned long long)value);
    write_text(digits);
}

static void begin_object(const char *name)
{
    begin_member(name);
    write_text("{");
    has_member = false;
}

static void end_object(void)
{
    write_text("}");
    has_member = true;
}

static void call(const char *name, uint64_t count, uint64_t error_count, uint64_t ns)
{
    begin_object(name);
    number("count", count);
    number("errors", error_count);
    number("ns", ns);
    end_object();
}

static void report_network(void)
{
    begin_object("network");
    number("packets_in", stats.packets_in);
    number("packets_out", stats.packets_out);
    number("bytes_in", stats.bytes_in);
    number("bytes_out", stats.bytes_out);
    begin_object("tcp");
    trace_net_tcp_report(number);
    end_object();
    begin_object("dropped");
    trace_net_report(number);
    end_object();
    end_object();
}

static void report_disk(void)
{
    begin_object("disk");
    number("reads", stats.disk_reads);
    number("read_bytes", stats.disk_read_bytes);
    number("writes", stats.disk_writes);
    number("written_bytes", stats.disk_written_bytes);
    number("flushes", stats.disk_flushes);
    end_object();
}

static void report_exits(void)
{
    begin_object("exits");
    number("kicks", stats.kicks);
    number("interrupts", irq_event_count());
    number("halts", stats.halts);
    number("timer_sets", stats.timer_sets);
    number("uart_bytes", stats.uart_bytes);
    end_object();
    begin_object("console");
    number("writes", stats.console_writes);
    number("bytes", stats.console_bytes);
    end_object();
}

static void report_memory(void)
{
    const struct wasm_memory *memory = wasm_module.memory;

    begin_object("memory");
    number("total_bytes", pages_total_count() * PAGE_BYTES);
    number("peak_bytes", stats.pages_peak * PAGE_BYTES);
    number("kernel_peak_bytes", stats.pages_kernel_peak * PAGE_BYTES);
    number("wasm_bytes", memory != NULL ? memory->size_bytes : 0);
    number("wasm_resident_bytes", wasm_runtime_resident_bytes());
    number("wasm_grows", stats.memory_grows);
    end_object();
}

void stats_report(uint32_t exit_code)
{
    uint64_t ns = clock_monotonic_ns();
    /* The counter runs at one rate, halted or not. */
    uint64_t busy_us = (ns - stats.halted_ns) / 1000;

    write_text("wafer: stats {");
    has_member = false;
    number("exit_code", exit_code);
    begin_object("time");
    number("ns", ns);
    number("idle_ns", stats.halted_ns);
    number("busy_cycles", busy_us * (timesource_hz() / 1000000));
    end_object();
    begin_object("calls");
    trace_calls_report(call);
    end_object();
    report_network();
    report_disk();
    report_exits();
    report_memory();
    write_text("}\n");
}
