/* SPDX-License-Identifier: BSD-3-Clause
 *
 * stream_remove - entries leave a stream, and what becomes of them where they are pending: the
 * policies KEEPREF, DELREF and ACKED of Redis 8.2.
 *
 * What was done is logged as XDEL, XTRIM with an exact length, and XACK: every Redis knows these.
 */
#ifndef STET_COMMANDS_STREAM_REMOVE_H
#define STET_COMMANDS_STREAM_REMOVE_H

#include "server/commands/streams.h"

enum stream_policy {
    STREAM_KEEPREF, /* they stay pending */
    STREAM_DELREF,  /* they are pending no more, in no group */
    STREAM_ACKED,   /* only those go that every group has read and acknowledged */
};

/* Argument i as a policy; false: it is none. */
bool arg_stream_policy(const struct call *x, int i, enum stream_policy *p);

/* Trims; exactly, also where that is not asked for, but with STREAM_KEEPREF. Returns how many
 * entries went. The effects follow those that the caller has logged before. */
uint64_t stream_trim_by_policy(struct call *x, const struct ref *r, struct stream *s,
                               const struct stream_trim *t, enum stream_policy p);

#endif
