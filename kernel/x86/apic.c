#include "kernel/x86/apic.h"

#include "kernel/base/address.h"
#include "kernel/x86/cpu.h"
#include "kernel/x86/io.h"
#include "kernel/x86/paging.h"
#include "kernel/x86/timesource.h"
#include "kernel/x86/x86.h"

/* SDM 3A §11.4.1; x2APIC MSRs are at 0x800 + offset / 16 (§11.12.1). */
#define MSR_APIC_BASE       0x1bu
#define MSR_APIC_ENABLE_BIT (1u << 11)
#define MSR_APIC_X2APIC_BIT (1u << 10)
#define MSR_TSC_DEADLINE    0x6e0u
#define MSR_X2APIC          0x800u
#define REG_ID              0x020u
#define REG_TASK_PRIORITY   0x080u
#define REG_END             0x0b0u
#define REG_SPURIOUS        0x0f0u
#define REG_COMMAND         0x300u
#define REG_LVT_TIMER       0x320u
#define REG_LVT_LINT0       0x350u
#define REG_LVT_LINT1       0x360u
#define REG_LVT_ERROR       0x370u
#define REG_TIMER_COUNT     0x380u
#define REG_TIMER_NOW       0x390u
#define REG_TIMER_DIVIDE    0x3e0u
#define LVT_MASKED_BIT      (1u << 16)
#define LVT_TSC_DEADLINE    (2u << 17)
#define LVT_NMI             (4u << 8)
#define COMMAND_SELF        (1u << 18) /* destination shorthand, SDM 3A §11.6.1 */
#define SPURIOUS_ENABLE_BIT (1u << 8)
#define TIMER_DIVIDE_BY_16  0x3u
#define CALIBRATION_NS      100000u
#define CALIBRATION_TRIES   8u

/* Intel 8259A: masks and initialisation words. */
#define PIC1_COMMAND 0x20u
#define PIC1_DATA    0x21u
#define PIC2_COMMAND 0xa0u
#define PIC2_DATA    0xa1u

/* Intel 82093AA §3: index and data windows, redirection entries from 0x10. */
#define IOAPIC_SECOND_ADDRESS 0xfec10000ull
#define IOAPIC_ADDRESS        0xfec00000u
#define IOAPIC_INDEX          0x00u
#define IOAPIC_DATA           0x10u
#define IOAPIC_VERSION        0x01u
#define IOAPIC_REDIRECTION    0x10u
#define IOAPIC_MASKED_BIT     (1u << 16)
#define IOAPIC_LEVEL_BIT      (1u << 15)
/* 82371SB §3.1: edge/level control of ISA lines. */
#define ELCR_PORT 0x4d0u

static struct {
    bool x2apic;
    struct mmio registers;
    uint32_t id;
    bool deadline;
    uint64_t ticks_per_ns; /* 32.32 fixed point, without TSC deadline */
    struct ioapic {
        struct mmio registers;
        uint32_t first_line;
        uint32_t input_count; /* 0: there is none */
    } ioapics[2];
} apic;

static uint32_t apic_read(uint32_t offset)
{
    return apic.x2apic ? (uint32_t)x86_read_msr(MSR_X2APIC + offset / 16)
                       : mmio_read32(apic.registers, offset);
}

static void apic_write(uint32_t offset, uint32_t value)
{
    if (apic.x2apic) {
        x86_write_msr(MSR_X2APIC + offset / 16, value);
    } else {
        mmio_write32(apic.registers, offset, value);
    }
}

/* Even masked, an 8259 may raise a spurious IRQ 7: move its vectors off the exceptions. */
static void mask_legacy_controllers(void)
{
    io_write8(PIC1_COMMAND, 0x11);
    io_write8(PIC2_COMMAND, 0x11);
    io_write8(PIC1_DATA, 0xf0);
    io_write8(PIC2_DATA, 0xf8);
    io_write8(PIC1_DATA, 4);
    io_write8(PIC2_DATA, 2);
    io_write8(PIC1_DATA, 1);
    io_write8(PIC2_DATA, 1);
    io_write8(PIC1_DATA, 0xff);
    io_write8(PIC2_DATA, 0xff);
}

static enum err enable_local(void)
{
    if ((x86_cpuid(1, 0).edx & 1u << 9) == 0) {
        return ERR_NODEV;
    }
    uint64_t base = x86_read_msr(MSR_APIC_BASE) | MSR_APIC_ENABLE_BIT;
    if (cpu_has(CPU_HAS_X2APIC_BIT)) {
        x86_write_msr(MSR_APIC_BASE, base);
        x86_write_msr(MSR_APIC_BASE, base | MSR_APIC_X2APIC_BIT);
        apic.x2apic = true;
        apic.id = apic_read(REG_ID);
    } else {
        x86_write_msr(MSR_APIC_BASE, base);
        struct phys_addr address = {base & 0x000ffffffffff000ull};
        enum err error = mmio_map(address, PAGE_BYTES, &apic.registers);
        if (error != ERR_OK) {
            return error;
        }
        apic.id = apic_read(REG_ID) >> 24;
    }
    apic_write(REG_TASK_PRIORITY, 0);
    apic_write(REG_LVT_LINT0, LVT_MASKED_BIT);
    /* Where virtual machine monitors inject an NMI, as the wiring of a PC has it. */
    apic_write(REG_LVT_LINT1, LVT_NMI);
    apic_write(REG_LVT_ERROR, LVT_MASKED_BIT);
    apic_write(REG_SPURIOUS, SPURIOUS_ENABLE_BIT | APIC_SPURIOUS_VECTOR);
    return ERR_OK;
}

struct timer_reading {
    uint64_t ns;
    uint32_t count; /* counts down */
};

/* Of some readings the one that took the shortest time: the host may stop us in the others. */
static struct timer_reading read_timer(void)
{
    struct timer_reading best = {0, 0};
    uint64_t best_length = UINT64_MAX;
    for (unsigned i = 0; i < CALIBRATION_TRIES; i++) {
        uint64_t before = timesource_ns();
        uint32_t count = apic_read(REG_TIMER_NOW);
        uint64_t length = timesource_ns() - before;
        if (length < best_length) {
            best_length = length;
            best = (struct timer_reading){before + length / 2, count};
        }
    }
    return best;
}

static void start_timer(void)
{
    apic.deadline = cpu_has(CPU_HAS_TSC_DEADLINE_BIT);
    if (apic.deadline) {
        apic_write(REG_LVT_TIMER, LVT_TSC_DEADLINE | APIC_TIMER_VECTOR);
        /* SDM 3A §11.5.4.1: the mode must be set before the first deadline is written. */
        x86_memory_fence();
        return;
    }
    apic_write(REG_TIMER_DIVIDE, TIMER_DIVIDE_BY_16);
    apic_write(REG_LVT_TIMER, LVT_MASKED_BIT | APIC_TIMER_VECTOR);
    apic_write(REG_TIMER_COUNT, UINT32_MAX);
    struct timer_reading first = read_timer();
    timesource_spin_ns(CALIBRATION_NS);
    struct timer_reading last = read_timer();
    apic_write(REG_TIMER_COUNT, 0);
    uint64_t elapsed = last.ns > first.ns ? last.ns - first.ns : 1;
    apic.ticks_per_ns = ((uint64_t)(first.count - last.count) << 32) / elapsed;
    apic_write(REG_LVT_TIMER, APIC_TIMER_VECTOR);
}

static uint32_t ioapic_read(const struct ioapic *ioapic, uint32_t index)
{
    mmio_write32(ioapic->registers, IOAPIC_INDEX, index);
    return mmio_read32(ioapic->registers, IOAPIC_DATA);
}

static void ioapic_write(const struct ioapic *ioapic, uint32_t index, uint32_t value)
{
    mmio_write32(ioapic->registers, IOAPIC_INDEX, index);
    mmio_write32(ioapic->registers, IOAPIC_DATA, value);
}

static void find_ioapic(struct ioapic *ioapic, uint64_t address, uint32_t first_line)
{
    if (mmio_map((struct phys_addr){address}, PAGE_BYTES, &ioapic->registers) != ERR_OK) {
        return;
    }
    uint32_t version = ioapic_read(ioapic, IOAPIC_VERSION);
    if (version == 0 || version == UINT32_MAX) {
        return;
    }
    ioapic->first_line = first_line;
    ioapic->input_count = (version >> 16 & 0xff) + 1;
    for (uint32_t input = 0; input < ioapic->input_count; input++) {
        ioapic_write(ioapic, IOAPIC_REDIRECTION + 2 * input, IOAPIC_MASKED_BIT);
    }
}

/* The second one is that of QEMU's microvm with ACPI (hw/i386/microvm.c). */
static void find_ioapics(void)
{
    find_ioapic(&apic.ioapics[0], IOAPIC_ADDRESS, 0);
    if (apic.ioapics[0].input_count != 0) {
        find_ioapic(&apic.ioapics[1], IOAPIC_SECOND_ADDRESS, apic.ioapics[0].input_count);
    }
}

enum err apic_initialize(void)
{
    mask_legacy_controllers();
    enum err error = enable_local();
    if (error != ERR_OK) {
        return error;
    }
    start_timer();
    find_ioapics();
    return ERR_OK;
}

void apic_end_of_interrupt(void)
{
    apic_write(REG_END, 0);
}

void apic_interrupt_self(uint8_t vector)
{
    apic_write(REG_COMMAND, COMMAND_SELF | vector);
}

void apic_timer_set(uint64_t at_ns)
{
    if (apic.deadline) {
        /* SDM 3A §11.5.4.1: 0 disarms; a time in the past fires at once. */
        x86_write_msr(MSR_TSC_DEADLINE, at_ns == UINT64_MAX ? 0 : timesource_tsc_at(at_ns));
        return;
    }
    if (at_ns == UINT64_MAX) {
        apic_write(REG_TIMER_COUNT, 0);
        return;
    }
    uint64_t now = timesource_ns();
    uint64_t delta = at_ns > now ? at_ns - now : 0;
    /* Far deadlines come in steps: an early interrupt only makes the waiter look again. */
    uint64_t limit = 1000000000ull;
    delta = delta < limit ? delta : limit;
    /* The measured speed may be a little off: better early, and once more, than late. */
    delta -= delta / 256;
    uint64_t ticks = (uint64_t)((unsigned __int128)delta * apic.ticks_per_ns >> 32) + 1;
    apic_write(REG_TIMER_COUNT, ticks < UINT32_MAX ? (uint32_t)ticks : UINT32_MAX);
}

uint64_t apic_message_address(void)
{
    /* SDM 3A §11.11.1; the id has eight bits here, and a lone CPU has a small one. */
    return 0xfee00000ull | (uint64_t)(apic.id & 0xff) << 12;
}

static const struct ioapic *ioapic_of(uint8_t line)
{
    for (size_t i = 0; i < sizeof(apic.ioapics) / sizeof(apic.ioapics[0]); i++) {
        const struct ioapic *ioapic = &apic.ioapics[i];
        if (line >= ioapic->first_line && line - ioapic->first_line < ioapic->input_count) {
            return ioapic;
        }
    }
    return NULL;
}

enum err ioapic_route(uint8_t line, uint8_t vector)
{
    const struct ioapic *ioapic = ioapic_of(line);
    if (ioapic == NULL) {
        return apic.ioapics[0].input_count == 0 ? ERR_NODEV : ERR_INVAL;
    }
    /* ISA lines as the firmware set them up; PCI and virtio-mmio lines beyond are level. */
    bool level = line >= 16;
    if (!level) {
        uint8_t elcr = io_read8((uint16_t)(ELCR_PORT + line / 8));
        level = elcr != 0xff && (elcr >> line % 8 & 1) != 0;
    }
    uint32_t entry = IOAPIC_REDIRECTION + 2u * (line - ioapic->first_line);
    ioapic_write(ioapic, entry + 1, apic.id << 24);
    ioapic_write(ioapic, entry, vector | (level ? IOAPIC_LEVEL_BIT : 0));
    return ERR_OK;
}
