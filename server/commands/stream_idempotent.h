/* SPDX-License-Identifier: BSD-3-Clause
 *
 * stream_idempotent - XADD with IDMP and IDMPAUTO: an entry that a producer sends again is not
 * added again, and the reply is the id that it got the first time.
 */
#ifndef STET_COMMANDS_STREAM_IDEMPOTENT_H
#define STET_COMMANDS_STREAM_IDEMPOTENT_H

#include "server/commands/streams.h"
#include "storage/base/sha1.h"

/* The producer of an entry, and the id that the producer gave it. */
struct add_origin {
    struct slice producer, iid; /* producer.p is NULL: not told */
    bool by_content;            /* IDMPAUTO: `iid` has to be made */
};

/* IDMP or IDMPAUTO at argument *i, if it is one: *is_one; moves *i to its last word. False:
 * answered with an error. */
bool arg_add_origin(struct call *x, int *i, struct add_origin *o, bool *is_one);

/* IDMPAUTO: makes the iid from the names and values, which are the arguments from `first` on. It
 * stands in `digest`. */
void add_origin_settle(const struct call *x, int first, struct add_origin *o,
                       uint8_t digest[SHA1_BYTES]);

/* Whether it was added before; counts that. */
bool add_origin_is_known(const struct call *x, struct stream *s, const struct add_origin *o,
                         struct stream_id *id);

/* It was added with this id: remembers and propagates that, after the XADD. */
void add_origin_remember(struct call *x, const struct ref *r, struct stream *s,
                         const struct add_origin *o, struct stream_id id);

/* An ECHO of the AOF or of a master: what it notes of a stream, if it is a note. One that does not
 * hold is passed over, as by other servers. */
void stream_obey_note(struct call *x, struct slice text);

#endif
