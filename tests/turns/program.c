/* SPDX-License-Identifier: BSD-3-Clause */
#include "program.h"

#include "orders.h"
#include "protocol/encode.h"

#include <stdio.h>

/* What meets on the same keys: a program draws from two or three of these. */
static const char *const lists[] = {"LPUSH a 1",
                                    "RPUSH b 2",
                                    "LPUSH a 3 4",
                                    "BLPOP a 0",
                                    "BLPOP b 0",
                                    "BLPOP a b 0",
                                    "BRPOP b a 0.05",
                                    "BLMOVE a b LEFT RIGHT 0",
                                    "BRPOPLPUSH b a 0.05",
                                    "BLMPOP 0 2 a b LEFT",
                                    "LPOP a",
                                    "RPOPLPUSH a b",
                                    "DEL a",
                                    "RENAME b a",
                                    "SET a x",
                                    NULL};
static const char *const transactions[] = {"MULTI",   "EXEC",    "MULTI",     "EXEC",  "DISCARD",
                                           "WATCH a", "UNWATCH", "LPUSH a 5", "GET s", "SET s 1",
                                           "INCR s",  "DEL a s", "RPUSH b 6", NULL};
static const char *const pauses[] = {"CLIENT PAUSE 60",
                                     "CLIENT PAUSE 60 WRITE",
                                     "CLIENT UNPAUSE",
                                     "CLIENT PAUSE 20 WRITE",
                                     "CLIENT KILL ID 1",
                                     "CLIENT KILL ID 2",
                                     "CLIENT UNBLOCK 1",
                                     "CLIENT UNBLOCK 2 ERROR",
                                     "CLIENT UNBLOCK 3",
                                     "CLIENT KILL ID 3",
                                     "QUIT",
                                     "LPUSH a 7",
                                     "BLPOP a 0",
                                     NULL};
static const char *const silences[] = {
    "CLIENT REPLY OFF", "CLIENT REPLY ON", "CLIENT REPLY SKIP", "LPUSH a 8",
    "BLPOP a 0",        "GET s",           "BLPOP b 0.05",      NULL};
static const char *const told[] = {"CLIENT TRACKING ON",
                                   "CLIENT TRACKING ON BCAST",
                                   "CLIENT TRACKING OFF",
                                   "SUBSCRIBE c",
                                   "UNSUBSCRIBE c",
                                   "PUBLISH c m",
                                   "PSUBSCRIBE __key*",
                                   "GET s",
                                   "SET s 2",
                                   "LRANGE a 0 -1",
                                   "LPUSH a 9",
                                   "BLPOP a 0",
                                   NULL};
static const char *const times[] = {"SET s 3 PX 30", "PEXPIRE a 30",
                                    "PERSIST a",     "BLPOP a 0.05",
                                    "LPUSH a 10",    "PEXPIRE b 60",
                                    "GET s",         "INCR s",
                                    "PTTL a",        "GETEX s PX 10",
                                    "EXISTS a",      "COPY a b REPLACE",
                                    "SET a y PX 30", NULL};
static const char *const wholes[] = {"FLUSHALL",       "SWAPDB 0 1", "SELECT 1",   "SELECT 0",
                                     "FLUSHDB",        "MOVE a 1",   "LPUSH a 11", "BLPOP a 0",
                                     "FLUSHALL ASYNC", "DBSIZE",     "WATCH a",    NULL};
static const char *const scripts[] = {
    "EVAL redis.call('lpush',KEYS[1],'x')~return~redis.call('lpop',KEYS[1]) 1 a",
    "EVAL redis.call('lpush','a','y','z')~return~redis.call('del','b') 2 a b",
    "EVAL return~redis.call('blpop',KEYS[1],0) 1 a",
    "EVAL redis.call('flushall')~return~redis.call('rpush','b','w') 1 b",
    "EVAL redis.call('publish','c','k')~return~redis.call('incr','s') 1 s",
    "BLPOP a 0",
    "BLPOP b a 0",
    NULL};
static const char *const others[] = {"ZADD z 1 m",
                                     "ZADD z 2 n",
                                     "BZPOPMIN z 0",
                                     "BZMPOP 0.05 1 z MAX",
                                     "DEL z x",
                                     "XADD x 1-1 f v",
                                     "XADD x * f v",
                                     "XREAD BLOCK 0 STREAMS x $",
                                     "XREAD BLOCK 50 STREAMS x 0",
                                     "XGROUP CREATE x g $ MKSTREAM",
                                     "XREADGROUP GROUP g u BLOCK 0 STREAMS x >",
                                     "XGROUP DESTROY x g",
                                     NULL};
static const char *const longs[] = {"RPUSH a 3 1 2",
                                    "LRANGE a 0 -1",
                                    "SORT a",
                                    "SORT a DESC STORE b",
                                    "LPOS a 2 COUNT 0",
                                    "SUNIONSTORE u t v",
                                    "SUNION t v u",
                                    "SADD t 1 2 q",
                                    "SMOVE t v 1",
                                    "KEYS *",
                                    "HSET h f 1 g 2",
                                    "HGETALL h",
                                    "DEL a t",
                                    "PEXPIRE a 30",
                                    "BLPOP b 0",
                                    "WATCH a",
                                    NULL};
/* Drawn only by programs with an AOF. Nothing whose reply depends on how fast the disk is. */
static const char *const logs[] = {"CONFIG SET appendonly yes",
                                   "CONFIG SET appendonly no",
                                   "CONFIG SET appendfsync always",
                                   "CONFIG SET appendfsync everysec",
                                   "CONFIG SET appendfsync no",
                                   "CONFIG SET appendonly yes appendfsync always",
                                   "CONFIG SET appendfsync no appendonly no",
                                   "WAITAOF 1 0 0",
                                   "SET s 4",
                                   "GET s",
                                   NULL};
static const char *const *const themes[] = {lists,  transactions, pauses, silences, told, times,
                                            wholes, scripts,      others, longs,    logs};
enum { LOGS = sizeof themes / sizeof *themes - 1, THEMES = LOGS };
static const char *const clock_steps[] = {"25", "60", "disk"};

/* ---------------------------------------------------------------- chance */

static uint64_t next(uint64_t *state) {
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static int below(uint64_t *state, int n) {
    return (int)(next(state) % (uint64_t)n);
}

/* ---------------------------------------------------------------- making */

static bool begins(const char *command, const char *with) {
    return strncmp(command, with, strlen(with)) == 0;
}

static bool has(const struct program *p, int client, const char *with) {
    for (int i = 0; i < p->n[client]; i++)
        if (begins(p->command[client][i], with)) return true;
    return false;
}

/* A client that has asked for silence neither queues nor subscribes: its replies could not be
 * counted. */
static bool fits(const struct program *p, int client, const char *command) {
    static const char *const counted[] = {"MULTI", "SUBSCRIBE", "UNSUBSCRIBE", "PSUBSCRIBE"};

    for (size_t i = 0; i < sizeof counted / sizeof *counted; i++) {
        if (begins(command, counted[i]) && has(p, client, "CLIENT REPLY")) return false;
        if (begins(command, "CLIENT REPLY") && has(p, client, counted[i])) return false;
    }
    return true;
}

static const char *draw(uint64_t *state, const int *chosen, int nchosen) {
    const char *const *from = themes[chosen[below(state, nchosen)]];
    int n = 0;

    while (from[n]) n++;
    return from[below(state, n)];
}

static void fill(struct program *p, uint64_t *state) {
    static const uint8_t clients_of[] = {2, 2, 3, 3, 4};
    int chosen[3], clients = clients_of[below(state, sizeof clients_of)];

    chosen[0] = 0;
    for (int i = 1; i < 3; i++) chosen[i] = below(state, THEMES);
    if (p->log) { /* few orders: two clients, so that their programs are not cut too short */
        chosen[0] = chosen[1] = LOGS;
        clients = 2;
    }
    for (int c = 0; c < clients; c++) {
        int n = 2 + below(state, STEPS_MAX - 1);

        while (p->n[c] < n) {
            const char *command = draw(state, chosen, 3);

            if (fits(p, c, command)) p->command[c][p->n[c]++] = command;
        }
        p->brittle[c] = below(state, 16) == 0;
    }
    p->n[THE_CLOCK] = below(state, 3);
    for (int i = 0; i < p->n[THE_CLOCK]; i++)
        p->command[THE_CLOCK][i] = clock_steps[below(state, p->log ? 3 : 2)];
}

/* The last command of the actor that has the most. */
static void shorten(struct program *p) {
    int longest = 0;

    for (int c = 1; c < ACTORS; c++)
        if (p->n[c] > p->n[longest]) longest = c;
    p->n[longest]--;
}

void program_make(struct program *p, uint64_t seed, uint64_t most) {
    uint64_t state = seed * UINT64_C(0xd1342543de82ef95) + 1;

    *p = (struct program){0};
    if (seed % LOG_EVERY == 0) {
        p->log = below(&state, 2) ? LOG_ON : LOG_OFF;
        most /= LOG_SHARE;
    }
    fill(p, &state);
    while (orders_count(p, most) > most) shorten(p);
}

/* ---------------------------------------------------------------- what it says */

void program_show(const struct program *p) {
    if (p->log) printf("  an AOF, %s at the start\n", p->log == LOG_ON ? "on" : "off");
    for (int c = 0; c < ACTORS; c++) {
        if (p->n[c] == 0) continue;
        printf("  %c%s:", c == THE_CLOCK ? 'T' : 'A' + c,
               c < CLIENTS_MAX && p->brittle[c] ? " (brittle)" : "");
        for (int i = 0; i < p->n[c]; i++) printf("%s %s", i ? ";" : "", p->command[c][i]);
        printf("\n");
    }
}

void program_encode(const char *command, struct bytes *out) {
    char text[256], *rest = text, *word;
    struct slice argv[16];
    size_t argc = 0;

    snprintf(text, sizeof text, "%s", command);
    while ((word = strsep(&rest, " "))) {
        for (char *p = word; *p; p++)
            if (*p == '~') *p = ' ';
        argv[argc++] = slice_str(word);
    }
    encode_command(out, argc, argv);
}

int program_replies(const struct program *p, int client, int n) {
    bool off = false, skip = false;
    int replies = 0;

    for (int i = 0; i < n; i++) {
        const char *command = p->command[client][i];
        bool silent = off || skip;

        skip = false;
        if (begins(command, "CLIENT REPLY")) {
            skip = strstr(command, "SKIP") && !off;
            if (!strstr(command, "SKIP")) off = strstr(command, "OFF");
            silent = !strstr(command, "ON");
        }
        replies += !silent;
    }
    return replies;
}

bool program_closes(const struct program *p) {
    for (int c = 0; c < CLIENTS_MAX; c++)
        if (p->brittle[c] || has(p, c, "CLIENT KILL") || has(p, c, "QUIT")) return true;
    return false;
}

bool program_is_serial(const struct program *p) {
    for (int c = 0; c < CLIENTS_MAX; c++)
        if (p->brittle[c]) return false;
    return true;
}
