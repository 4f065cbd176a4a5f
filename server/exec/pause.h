/* SPDX-License-Identifier: BSD-3-Clause
 *
 * pause - for a while no client is served, or none that writes. Their commands are not executed;
 * they go on when the time is over. Nothing expires by itself meanwhile. Each reason has a pause of
 * its own; the strictest one counts.
 *
 * PAUSE_BREATH has no reason among these: it is the mode while a command that takes long has other
 * clients served from within (breathe.h). A pause may begin or end meanwhile.
 */
#ifndef STET_EXEC_PAUSE_H
#define STET_EXEC_PAUSE_H

#include "server/exec/command.h"

enum pause_mode { PAUSE_NONE, PAUSE_WRITES, PAUSE_ALL, PAUSE_BREATH };

enum pause_reason {
    PAUSE_BY_CLIENT, /* CLIENT PAUSE */
    PAUSE_FOR_SHUTDOWN,
    PAUSE_FOR_FAILOVER,
    PAUSE_REASONS
};

#define PAUSE_FOR_EVER UINT64_MAX

struct pause {
    enum pause_mode mode; /* the strictest one, or PAUSE_BREATH */
    bool breath;
    uint64_t until_us; /* monotonic: when the first one ends; PAUSE_FOR_EVER: none does by itself */
    struct {
        enum pause_mode mode;
        uint64_t until_us;
    } of[PAUSE_REASONS];
};

/* One under way for the same reason is made longer or stricter, never shorter or weaker. */
void pause_begin(struct pause *p, enum pause_reason why, enum pause_mode mode, uint64_t until_us);

/* True: clients that were held may go on. */
bool pause_end(struct pause *p, enum pause_reason why);

/* A command that takes long begins, or ends, to have others served. */
void pause_breathe(struct pause *p, bool on);

/* Before the loop waits: ends those whose time is over. True as above. */
bool pause_check_time(struct pause *p, uint64_t now_us);

/* Whether a command with these flags has to wait. */
static inline bool pause_holds(const struct pause *p, uint32_t flags) {
    if (__builtin_expect(p->mode == PAUSE_NONE, 1)) return false;
    if (p->mode == PAUSE_BREATH)
        return flags & (CMD_WRITE | CMD_MAY_REPLICATE | CMD_RUNS_SCRIPT | CMD_BLOCKING | CMD_ADMIN |
                        CMD_PUBSUB);
    return p->mode == PAUSE_ALL || flags & (CMD_WRITE | CMD_MAY_REPLICATE | CMD_SCRIPT_WRITES);
}

#endif
