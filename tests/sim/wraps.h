/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SIM_WRAPS_H
#define SIM_WRAPS_H

#include <stdint.h>

void wraps_reset(uint64_t seed);

#endif
