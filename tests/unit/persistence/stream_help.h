/* SPDX-License-Identifier: BSD-3-Clause
 *
 * stream_help - a very small server with an AOF and a replication stream, and what it has sent.
 */
#ifndef TEST_STREAM_HELP_H
#define TEST_STREAM_HELP_H

#include "log_help.h"
#include "persistence/aof.h"

enum { LIVE_DBS = 4 };

#define ID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define ID_D "dddddddddddddddddddddddddddddddddddddddd"
#define ID_E "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
#define ID_C "0123456789abcdef0123456789abcdef01234567"

extern struct keyspace live_ks;
extern struct aof *live_aof; /* NULL: it does not run */
extern struct aof_options live_options;
extern struct aof_load_options live_loading;
extern char live_tool[4200]; /* path of stet-check-aof, "" if it is not built */

/* The stream as it was sent. */
extern struct aof_stream_state live_model;
extern struct bytes live_sent;
extern uint64_t live_sent_from; /* offset before its first byte */

/* Of a test suite. */
void live_begin(void);
void live_end(void);

int live_try_start(struct err *e);
void live_start(void);
void live_stop(void);
void live_restart(void); /* and expects the same data */

void live_turn(void);
bool live_all_written(void *arg);
void live_settle(void);  /* everything is written */
void live_rewrite(void); /* and it has ended */
void live_becomes_on(void);

void live_store(int db, struct slice key, struct slice value);
void live_show_data(struct bytes *out);

/* Appends to the AOF, and to what was sent. */
void live_stream_is(const char *id, uint64_t offset, int db);
void live_stream_was(const char *id, uint64_t end);
void live_stream_begins(const char *id, uint64_t offset, int db); /* a restart would know it */
void live_send(const void *p, size_t n);                          /* the latter only */
void live_data(int db, int n);
void live_local(int db, int n);
void live_master(int db, int n);
void live_note(size_t n);
void live_something(void);

void live_expect_loaded(const struct aof_stream_state *want);
bool live_nothing_loaded(void);
/* What a reader gives from byte `from` on is what was sent. */
void live_expect_read(uint64_t from, size_t max);

/* As aof_stream_read(), once the files are open. */
int live_read(struct aof_stream_reader *r, struct bytes *out, size_t max, struct err *e);

struct slice live_increment(int n);

#endif
