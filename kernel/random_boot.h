/*
 * What kernel/main.c does with kernel/random.h at boot.
 */
#pragma once

#include <stdbool.h>

/* Seeds from RDSEED and RDRAND where they are. Before drivers_probe. */
void random_initialize(void);
/* Whether any source has given its entropy; without one, boot must stop. */
bool random_is_seeded(void);
