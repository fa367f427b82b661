/*
 * A processor for host tests of kernel/x86/timesource.c and apic.c: its time, its CPUID,
 * kvmclock, the 8254's two measurements, and the local APIC's timer. Reading anything costs time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct fake_processor {
    uint64_t now_ns;         /* true time */
    uint64_t read_ns;        /* what reading a clock or a register costs */
    uint64_t tsc_hz;         /* true speed */
    uint64_t tsc_start;      /* TSC at now_ns 0 */
    uint64_t pit_hz;         /* what the first measurement says; 0: there is no 8254 */
    uint64_t refined_hz;     /* what later ones say */
    uint32_t leaf15[3];      /* CPUID 15H: eax, ebx, ecx; zeros: there is no such leaf */
    uint32_t hypervisor_khz; /* CPUID 40000010H */
    /* kvmclock, offered when the hypervisor is KVM and kvm_clock is set */
    bool kvm_clock;
    uint32_t kvm_multiplier;
    int8_t kvm_shift;
    uint32_t wall_s;
    uint32_t wall_ns;
    bool has_rtc;
    uint64_t rtc_ns;
    /* the local APIC */
    uint64_t timer_hz; /* its speed before the divider */
    uint32_t lvt_timer;
    uint64_t deadline; /* the MSR */
    uint32_t count;    /* the last initial count */
    uint64_t count_ns; /* when it was written */
    unsigned timer_writes;
};
extern struct fake_processor processor;

/* A machine of 2,445,439,831 Hz at time 0, with an 8254 and a real-time clock. */
void processor_reset(void);
/* When the timer will interrupt next, in true time; UINT64_MAX: never. */
uint64_t processor_timer_ns(void);
