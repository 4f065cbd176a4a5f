/* SPDX-License-Identifier: BSD-3-Clause
 *
 * observe - what is noted of a command once it has run: figures, MONITOR, the logs of
 * commands, latency.
 */
#ifndef STET_EXEC_OBSERVE_H
#define STET_EXEC_OBSERVE_H

#include "server/exec/call.h"

/* Bucket 0 of a command's histogram holds what took less than 1024 ns, bucket i what took less than
 * twice as long as bucket i - 1. */
enum { OBSERVE_BUCKETS = 55 };

static inline double observe_bucket_us(int i) {
    return i < 0 ? 0 : (double)(UINT64_C(1024) << i) / 1000;
}

/* It took `ns` and answered with so many bytes; `rc` is what its handler returned. */
void observe(struct call *x, uint64_t ns, size_t reply_bytes, int rc);

#endif
