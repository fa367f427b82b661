/*
 * The 8254 timer of a PC, used only to measure the speed of the time stamp counter on
 * machines that do not tell it. Its channel 2 runs on afterwards. Any context.
 */
#pragma once

#include <stdint.h>

/* TSC ticks a second, to about 0.2 %; takes 1 ms. 0 without an 8254. */
uint64_t pit_measure_hz(void);
/*
 * The same from the time that has passed since pit_measure_hz; `hz` is the value known so
 * far, good to 25 ms over that time. Gives `hz` back when the new value is not credible.
 */
uint64_t pit_refine_hz(uint64_t hz);
