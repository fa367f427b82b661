/*
 * What the network counted, for the statistics: drops by reason (only those that happened), and
 * TCP's own account. Normal kernel context.
 */
#pragma once

#include <stdint.h>

void trace_net_report(void (*number)(const char *name, uint64_t value));
void trace_net_tcp_report(void (*number)(const char *name, uint64_t value));
