/* SPDX-License-Identifier: BSD-3-Clause
 *
 * ring - the backend that has the kernel read and write: io_uring (io_uring(7), Linux 6.1 or
 * later, by liburing).
 *
 * A turn of the loop gives the kernel all reads and writes in one call, and takes what is done from
 * memory that both share. libevent stays the loop: the kernel writes to an eventfd when something
 * is done while the loop waits.
 *
 * Reads wait in the kernel with no memory of this process: their bytes come in shared buffers, on
 * Linux 6.12 and later side by side, else one read to a buffer. When all buffers are in use, more
 * are made, up to 16 MB; then reads are tried again as soon as one is returned.
 *
 * After ring_new() the ring takes the four operations that are used here, and no others: io_uring
 * would otherwise go around the sandbox' filter of system calls.
 */
#ifndef STET_NET_RING_H
#define STET_NET_RING_H

#include "server/net/async.h"
#include "server/net/loop.h"
#include "storage/base/err.h"

/* The thread that calls it is the one that uses it. NULL: `e` says what this system or this build
 * lacks. */
struct async_backend *ring_new(struct loop *loop, struct err *e);

#endif
