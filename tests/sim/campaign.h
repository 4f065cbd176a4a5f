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

/* The same for a fault at one call of a short program: 1,280 seeds in a row are every call up to
 * the 160th of one program, with eight kinds of faults at each. */
bool campaign_sweep(uint64_t seed, bool trace, unsigned easy);

/* The same for one long life on a disk that fills, fails, hangs and heals, again and again. */
bool campaign_outage(uint64_t seed, bool trace, unsigned easy);
const char *campaign_verdict(void);

#endif
