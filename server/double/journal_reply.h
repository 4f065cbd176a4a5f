/* SPDX-License-Identifier: BSD-3-Clause
 *
 * journal_reply - what kind of reply stands in a client's output.
 */
#ifndef STET_DOUBLE_JOURNAL_REPLY_H
#define STET_DOUBLE_JOURNAL_REPLY_H

#include "protocol/out.h"

/* The reply that begins at stream offset `from`, none of which was sent: the text of an error
 * without its '-', "none" if there is no reply, else its kind: status, integer, bulk, null, array,
 * map, set, double, boolean, bignum, verbatim, push. To be freed with mem_free(). */
char *journal_reply_kind(const struct out *o, uint64_t from);

#endif
