/* SPDX-License-Identifier: BSD-3-Clause
 *
 * pause - for a while no client is served, or none that writes (CLIENT PAUSE). Their commands are
 * not executed; they go on when the time is over. Nothing expires by itself meanwhile.
 *
 * PAUSE_BREATH is no pause that a client asked for: it holds while a command that takes long has
 * other clients served from within (breathe.h), and stands in place of what `mode` was before.
 */
#ifndef STET_EXEC_PAUSE_H
#define STET_EXEC_PAUSE_H

#include "server/exec/command.h"

enum pause_mode { PAUSE_NONE, PAUSE_WRITES, PAUSE_ALL, PAUSE_BREATH };

struct pause {
    enum pause_mode mode;
    uint64_t until_us; /* monotonic */
};

/* A pause under way is made longer or stricter, never shorter or weaker. */
void pause_begin(struct pause *p, enum pause_mode mode, uint64_t until_us);

/* Before the loop waits (now_us 0: whatever the time). True: it is over just now. */
bool pause_ends(struct pause *p, uint64_t now_us);

/* Whether a command with these flags has to wait. */
static inline bool pause_holds(const struct pause *p, uint32_t flags) {
    if (__builtin_expect(p->mode == PAUSE_NONE, 1)) return false;
    if (p->mode == PAUSE_BREATH)
        return flags & (CMD_WRITE | CMD_MAY_REPLICATE | CMD_RUNS_SCRIPT | CMD_BLOCKING | CMD_ADMIN |
                        CMD_PUBSUB);
    return p->mode == PAUSE_ALL || flags & (CMD_WRITE | CMD_MAY_REPLICATE | CMD_RUNS_SCRIPT);
}

#endif
