/* SPDX-License-Identifier: BSD-3-Clause
 *
 * campaign - what a seed means: lives with faults, deaths, restarts, acknowledged writes and power
 * cuts, and at the end a start on a disk that is well.
 */
#ifndef SIM_CAMPAIGN_H
#define SIM_CAMPAIGN_H

#include <stdbool.h>
#include <stdint.h>

/* True if no rule was broken; otherwise campaign_verdict() says which. */
bool campaign_run(uint64_t seed, bool trace, unsigned easy);
const char *campaign_verdict(void);

#endif
