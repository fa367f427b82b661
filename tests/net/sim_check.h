/* Invariants of TCP's state, checked after every event of a simulation. */
#pragma once

#include "tests/net/sim.h"

void sim_check_tcp(struct sim *sim);
