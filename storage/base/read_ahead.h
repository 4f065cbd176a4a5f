/* SPDX-License-Identifier: BSD-3-Clause
 *
 * read_ahead - a thread that reads what the main thread is going to send, one chunk ahead, so that
 * the main thread never waits for a file.
 *
 *   READING --a chunk is there--> FULL --taken--> READING ... --> ENDED or FAILED
 *
 * The functions below are the main thread's; `read`, `wake` and `release` are called on the thread.
 */
#ifndef STET_BASE_READ_AHEAD_H
#define STET_BASE_READ_AHEAD_H

#include "storage/base/bytes.h"
#include "storage/base/err.h"

enum { READ_AHEAD_BYTES = 256 * 1024 };

enum read_ahead_result {
    READ_AHEAD_SOME,   /* something was appended */
    READ_AHEAD_LATER,  /* nothing is there yet: asked again after some milliseconds */
    READ_AHEAD_END,    /* there is no more */
    READ_AHEAD_FAILED, /* `e` says why */
};

struct read_ahead_ops {
    /* Appends about READ_AHEAD_BYTES to `out`. */
    enum read_ahead_result (*read)(void *arg, struct bytes *out, struct err *e);
    void (*wake)(void *wake_arg); /* a chunk, the end or a failure is there to be taken */
    void (*release)(void *arg);   /* at the end, after the last read */
    void *arg, *wake_arg;
};

struct read_ahead;

/* NULL: no thread could be had; then `release` was not called. */
struct read_ahead *read_ahead_start(const char *name, const struct read_ahead_ops *ops,
                                    struct err *e);

/* SOME: the chunk was moved to *out, which had to be empty. LATER: nothing is ready. */
enum read_ahead_result read_ahead_take(struct read_ahead *r, struct bytes *out, struct err *e);

/* Whether read_ahead_take() has something to say. */
bool read_ahead_is_ready(struct read_ahead *r);

/* Does not wait: the thread ends when its read does, then releases `arg`. NULL is fine. `wake` is
 * not called any more. */
void read_ahead_stop(struct read_ahead *r);

#endif
