/* SPDX-License-Identifier: BSD-3-Clause
 *
 * link_private - shared by the files of the link. No other file includes it.
 *
 *   link.c            the states: when to connect, time-outs, ACKs, INFO
 *   link_handshake.c  what is said before the data set or the stream, and the answers
 *   link_receive.c    the data set: received, loaded
 */
#ifndef STET_REPLICATION_LINK_PRIVATE_H
#define STET_REPLICATION_LINK_PRIVATE_H

#include "server/replication/replication.h"

enum { LINK_LINE_MAX = 1024 };

void link_enter(struct replication *r, enum link_state to);

/* The link ends and is tried again: in a second, or later if what came did not hold. */
void link_lost(struct replication *r);
void link_broken(struct replication *r);

/* Appends a command to what is sent. */
void link_say(struct replication *r, size_t argc, const struct slice *argv);
#define LINK_SAY(r, ...)                                                                           \
    link_say((r), sizeof((struct slice[]){__VA_ARGS__}) / sizeof(struct slice),                    \
             (struct slice[]){__VA_ARGS__})

/* Takes one line off the input: what it took with the line end, 0 if it is not whole. More than
 * LINK_LINE_MAX bytes without an end break the link. */
size_t link_take_line(struct replication *r, char *in, size_t n, struct slice *line, size_t *need);

/* ---------------------------------------------------------------- link_handshake.c */

void link_greet(struct replication *r); /* HANDSHAKE begins */
size_t link_handshake_input(struct replication *r, char *in, size_t n, size_t *need);

/* ---------------------------------------------------------------- link_receive.c */

size_t link_receive_input(struct replication *r, char *in, size_t n, size_t *need);
void link_receive_step(struct replication *r);
void link_receive_forget(struct replication *r);

/* STREAM begins: the master goes on after stream.offset. */
void link_stream(struct replication *r);

#endif
