/* SPDX-License-Identifier: BSD-3-Clause
 *
 * io_threads - the backend that has threads read and write, and encrypt: `io-threads`.
 *
 * A socket stays with one thread, the one that had the fewest when it came. Commands are parsed and
 * executed on the main thread, so the data set, gates and the order of replies know no threads.
 *
 *   main thread                          thread
 *   what is asked for in a turn   --->   inbox: done as soon as the socket is ready
 *   done, in async_collect()      <---   outbox of all threads
 *
 * Both boxes are lists that are put on with one compare-and-swap and emptied with one exchange: no
 * lock, and no memory of their own, since the things asked for are what is linked. A thread with
 * nothing to do sets a flag, looks into its box once more, and sleeps until its eventfd is written.
 *
 * A write that is done does not end the main thread's sleep if nothing follows it: see
 * async_follow().
 */
#ifndef STET_NET_IO_THREADS_H
#define STET_NET_IO_THREADS_H

#include "server/net/async.h"
#include "server/net/loop.h"
#include "storage/base/err.h"

enum { IO_THREADS_MAX = 128 };

/* NULL: `e` says what could not be had. Everything about the backend is the calling thread's. */
struct async_backend *io_threads_new(struct loop *loop, unsigned threads, struct err *e);

#endif
