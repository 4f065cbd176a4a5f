/* SPDX-License-Identifier: BSD-3-Clause
 *
 * streams - what the files of the stream commands share: ids and ranges among the arguments, keys
 * and groups, entries as replies, and what changes of groups are logged as.
 */
#ifndef STET_COMMANDS_STREAMS_H
#define STET_COMMANDS_STREAMS_H

#include "server/exec/call.h"
#include "server/exec/keys.h"
#include "storage/base/num.h"
#include "storage/stream_group.h"

/* ---------------------------------------------------------------- arguments */

#define ERR_STREAM_ID "ERR Invalid stream ID specified as stream command argument"

/* An id; each of these answers with an error and returns false if the argument is none. */
bool arg_stream_id(struct call *x, int i, uint64_t missing_seq, struct stream_id *id);

/* n ids from argument i on, in an array that mem_free gets; NULL: an error was answered. */
struct stream_id *arg_stream_ids(struct call *x, int i, int n);

/* The same ids in ascending order, each with its place among the arguments, equal ones by that;
 * what is to be done with many is done in this order: for mem_free. */
struct ordered_id {
    struct stream_id id;
    int i, what; /* `what` is the caller's */
};
struct ordered_id *ids_in_order(const struct stream_id *ids, int n);

/* The ends of a range: an id, "-", "+", or an id after "(" that is itself left out. */
bool arg_range_start(struct call *x, int i, struct stream_id *id);
bool arg_range_end(struct call *x, int i, struct stream_id *id);

/* ---------------------------------------------------------------- keys */

/* Argument i as a stream; *s is NULL if the key is not there. False: another type, answered. */
bool find_stream(struct call *x, int i, bool for_write, struct ref *r, struct stream **s);

/* Argument i as a stream and i + 1 as a group of it. False: answered, with NOGROUP if one of them
 * is not there. */
bool find_group(struct call *x, int i, struct ref *r, struct stream **s, struct stream_group **g);

/* The error about a key and a group: binary names end at their first NUL, as Redis prints them. */
int reply_no_group(struct call *x, const char *head, struct slice first, const char *middle,
                   struct slice second, const char *tail);

/* A new empty stream under r's key. */
struct stream *make_stream(struct call *x, struct ref *r);

/* The consumer called so, made if it is new; it was seen now. A new one has to be propagated: by
 * what is given to it, else by log_consumer(). */
struct stream_consumer *need_consumer(struct call *x, const struct ref *r, struct stream_group *g,
                                      struct slice name, bool *is_new);

/* ---------------------------------------------------------------- replies */

void reply_stream_id(struct reply *r, struct stream_id id);

/* [id, [name, value...]], of the entry that the iterator has found. */
void reply_entry(struct reply *r, struct stream_iter *it);

/* The same without the head of the array around it. */
void reply_entry_parts(struct reply *r, struct stream_iter *it);

/* The entries from what the iterator was made for; all, or `most` of them. */
void reply_entries(struct call *x, struct stream_iter *it, uint64_t most);

/* ---------------------------------------------------------------- the AOF */

/* Whether effects are wanted at all: not while the AOF is off or being read back. */
bool logs_effects(const struct call *x);

static inline struct slice int_text(char buf[NUM_I64_MAX], int64_t v) {
    return slice_of(buf, (size_t)num_format_i64(buf, v));
}

static inline struct slice id_text(char buf[STREAM_ID_TEXT], struct stream_id id) {
    return slice_of(buf, stream_id_format(buf, id));
}

/* XCLAIM of an entry with its consumer, time and count: one a command, as Redis has it. */
void log_pending(struct call *x, const struct ref *r, const struct stream_group *g,
                 struct stream_id id, const struct stream_pending *p);

/* XGROUP CREATECONSUMER; XGROUP SETID of how far the group is. */
void log_consumer(struct call *x, const struct ref *r, const struct stream_group *g,
                  const struct stream_consumer *c);
void log_group_position(struct call *x, const struct ref *r, const struct stream_group *g);

#endif
