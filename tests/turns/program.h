/* SPDX-License-Identifier: BSD-3-Clause
 *
 * program - what up to four clients send: a few commands each, chosen by seed. A step of the clock
 * is one more actor, whose "commands" let time pass.
 */
#ifndef TEST_TURNS_PROGRAM_H
#define TEST_TURNS_PROGRAM_H

#include "storage/base/bytes.h"

#include <stdint.h>

enum { CLIENTS_MAX = 4, STEPS_MAX = 5, ACTORS = CLIENTS_MAX + 1, THE_CLOCK = CLIENTS_MAX };

/* Whether its world has an AOF, and whether that is on at the start. */
enum program_log { LOG_NONE, LOG_OFF, LOG_ON };

struct program {
    int n[ACTORS];                          /* commands of each client; steps of the clock */
    const char *command[ACTORS][STEPS_MAX]; /* words; '~' stands for a blank within a word */
    enum program_log log;
    bool brittle[CLIENTS_MAX]; /* closed when it is told something, as for too much output */
};

/* By `seed`; so short that it has no more than `most` orders. One in LOG_EVERY has an AOF, and a
 * hundredth of the orders, as files take time. */
enum { LOG_EVERY = 20, LOG_SHARE = 100 };
void program_make(struct program *p, uint64_t seed, uint64_t most);

void program_show(const struct program *p);

/* The command in RESP. */
void program_encode(const char *command, struct bytes *out);

/* How many replies a client has when it was answered all of its first n commands. */
int program_replies(const struct program *p, int client, int n);

/* Somebody may be closed before all of its commands were executed. */
bool program_closes(const struct program *p);

/* Every result has to be one that some serial order has. */
bool program_is_serial(const struct program *p);

#endif
