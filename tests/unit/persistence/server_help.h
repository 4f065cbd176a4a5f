/* SPDX-License-Identifier: BSD-3-Clause
 *
 * server_help - a very small server for the tests of the AOF as a whole: strings in a few
 * databases, SET and SELECT, no clients.
 */
#ifndef TEST_SERVER_HELP_H
#define TEST_SERVER_HELP_H

#include "log_help.h"
#include "persistence/aof.h"

extern struct keyspace ks;
extern struct aof *aof; /* NULL: it does not run */
extern int selected;    /* of the log being read */
extern struct aof_options options;
extern bool others_child; /* a snapshot's is at work */
extern const struct aof_hooks hooks;
extern const struct aof_load_options loading;

/* Of a test suite. */
void server_begin(void);
void server_end(void);

/* crash(): the end of a process that had no time to clean up. */
int try_start(struct err *e);
void start(void);
void stop(void);
void crash(void);

/* get_in(): "-" if there is none. replay(): one command of the log being read. */
void append(int db, const struct bytes *resp, size_t ncommands);
void set(const char *key, const char *value);
void set_in(int db, const char *key, const char *value);
const char *get_in(int db, const char *key);
void store(int db, struct slice key, struct slice value);
int replay(void *arg, size_t argc, const struct slice *argv, struct err *e);

/* turn(): one turn of a loop. rewrite(): until it has ended well. */
struct aof_info info(void);
void turn(void);
void rewrite(void);
void wait_phase(enum aof_phase phase);
bool manifest_is(const char *text);

/* For help_wait(); all but has_no_backlog() take a turn. */
bool is_written(void *arg);
bool is_synced(void *arg);
bool has_no_backlog(void *arg);
bool is_idle(void *arg);
bool is_quiet(void *arg);
bool in_phase(void *arg);
bool refuses(void *arg);
bool accepts(void *arg);

#endif
