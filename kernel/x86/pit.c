#include "kernel/x86/pit.h"

#include "kernel/x86/io.h"
#include "kernel/x86/x86.h"

/* Intel 8254: channel 2, gated by bit 0 of port 0x61. */
#define PIT_HZ            1193182u
#define PIT_CHANNEL2      0x42u
#define PIT_COMMAND       0x43u
#define PIT_GATE          0x61u
#define PIT_LOAD_COMMAND  0xb0u /* channel 2, low then high byte, mode 0, binary */
#define PIT_LATCH_COMMAND 0x80u
#define PIT_START         0xffffu
#define PIT_WINDOW        1193u /* 1 ms: one count more or less is 0.08 % */
#define PIT_READINGS      4u
#define PIT_SPIN_MAX      1000000u
#define PIT_TRIES         3u
/* A refined frequency further off than one part in this many is not believed. */
#define CREDIBLE_PART 100u

struct pit_reading {
    uint64_t ticks; /* of the TSC, when the count was latched */
    uint32_t count;
};

static struct pit_reading first;

/*
 * The host may stop us anywhere: of some readings the one that took the shortest time
 * ties the two clocks together best.
 */
static struct pit_reading read_pit(void)
{
    struct pit_reading best = {0, 0};
    uint64_t best_length = UINT64_MAX;
    for (unsigned i = 0; i < PIT_READINGS; i++) {
        uint64_t before = x86_rdtsc();
        io_write8(PIT_COMMAND, PIT_LATCH_COMMAND);
        uint64_t length = x86_rdtsc() - before;
        uint32_t count = io_read8(PIT_CHANNEL2);
        count |= (uint32_t)io_read8(PIT_CHANNEL2) << 8;
        if (length < best_length) {
            best_length = length;
            best = (struct pit_reading){before + length / 2, count};
        }
    }
    return best;
}

static uint64_t measure_once(void)
{
    io_write8(PIT_GATE, (uint8_t)((io_read8(PIT_GATE) & ~3u) | 1u));
    io_write8(PIT_COMMAND, PIT_LOAD_COMMAND);
    io_write8(PIT_CHANNEL2, (uint8_t)PIT_START);
    io_write8(PIT_CHANNEL2, (uint8_t)(PIT_START >> 8));
    first = read_pit();
    struct pit_reading last = first;
    for (uint32_t spins = 0; first.count - last.count < PIT_WINDOW; spins++) {
        last = read_pit();
        /* A missing 8254 always reads the same; a stop of 55 ms lets the count wrap. */
        if (spins == PIT_SPIN_MAX || last.count > first.count) {
            return 0;
        }
    }
    return (last.ticks - first.ticks) * PIT_HZ / (first.count - last.count);
}

uint64_t pit_measure_hz(void)
{
    uint64_t hz = 0;
    for (unsigned i = 0; i < PIT_TRIES && hz == 0; i++) {
        hz = measure_once();
    }
    return hz;
}

uint64_t pit_refine_hz(uint64_t hz)
{
    struct pit_reading now = read_pit();
    uint64_t ticks = now.ticks - first.ticks;
    /* What the counter must show if `hz` were right, and how far it is from that. */
    uint64_t expected = ticks / hz * PIT_HZ + ticks % hz * PIT_HZ / hz;
    uint16_t passed = (uint16_t)(first.count - now.count);
    uint16_t ahead = (uint16_t)(passed - (uint16_t)expected);
    uint64_t counts = ahead < 0x8000 ? expected + ahead : expected - (0x10000u - ahead);
    if (counts < PIT_WINDOW || ticks > UINT64_MAX / PIT_HZ) {
        return hz;
    }
    uint64_t refined = ticks * PIT_HZ / counts;
    uint64_t difference = refined > hz ? refined - hz : hz - refined;
    return difference > hz / CREDIBLE_PART ? hz : refined;
}
