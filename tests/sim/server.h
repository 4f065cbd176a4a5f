/* SPDX-License-Identifier: BSD-3-Clause
 *
 * server - one life of a simulated server: it starts on what the disk holds, compares it with the
 * journal, executes writes and administration by seed as the real server's loop would, and ends.
 */
#ifndef SIM_SERVER_H
#define SIM_SERVER_H

#include "dice.h"
#include "journal.h"
#include "sched.h"

enum { FIRST_PROCESS = 100 };

struct life {
    int turns;            /* of the loop */
    enum sched_end end;   /* after them, if nothing else ends it */
    bool always_only;     /* the policy stays `always` */
    bool quiet;           /* only writes: no administration */
    void (*heal)(void);   /* called before it settles; may be NULL */
    bool settle;          /* waits for the log to be well before the end */
    bool after_cut;       /* the power was cut since the last start that succeeded */
    bool rival;           /* a second process starts at the same time */
    bool damaged;         /* so that a refused start is right */
    const char *special;  /* what is unusual about it, for the verdict; NULL: nothing */
    bool outages;         /* a disk that fails for some time, again and again */
    bool given;           /* the plan of faults is there already */
    bool busy;            /* more administration */
    bool faults;          /* a refused start is no surprise */
    unsigned intruder_at; /* turn at which a second process tries to start; 0: none */
    int process;
    const char *restore_from; /* a backup to start from; NULL: none */
    uint64_t seed;
    struct aof_options options;
    struct journal *journal;
};

/* Runs it; the disk's descriptors are closed when it returns. A start that was refused gives its
 * reason in server_refusal(). */
enum sched_end server_live(struct life *life);

/* True: the last life's start succeeded. */
bool server_started(void);
const char *server_refusal(void);

/* The backups that were sealed, and the data set that each holds. */
struct sealed {
    char dirname[128];
    uint64_t print;
};

size_t server_backups(const struct sealed **list);

/* The first rule that was broken; "" if none. */
const char *server_verdict(void);

/* Forgets verdicts. `trace`: prints what is written and acknowledged. */
void server_reset(bool trace);

#endif
