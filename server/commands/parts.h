/* SPDX-License-Identifier: BSD-3-Clause
 *
 * parts - what the commands on times of fields (of hashes) and of members (of sets) have in common:
 * how they name several of them, how they change a value, and what they log. Logged is HPEXPIREAT,
 * HPERSIST or HDEL of the fields that the command changed, or the same of the members.
 *
 * What differs between both is a row, struct part_kind.
 */
#ifndef STET_COMMANDS_PARTS_H
#define STET_COMMANDS_PARTS_H

#include "server/commands/support.h"
#include "storage/parts.h"

struct part_kind {
    enum type_id type;
    enum event_class events;
    const char *word, *upper, *title; /* "fields", "FIELDS", "Fields" */
    int width;                        /* arguments of HSETEX for one of them: 2, with the value */
    const char *if_none, *if_all;     /* conditions of HSETEX: "fnx", "fxx" */
    bool about_key;                   /* it has NX and XX too */
    struct slice del, expireat, persist; /* the commands that are logged */
    const char *del_event, *expire_event, *persist_event;
    size_t (*len)(const struct entry *e);
    int64_t (*next_due)(const struct entry *e);
    /* False: there is none, or it is due. *expire_ms 0: it has no time. */
    bool (*find)(const struct entry *e, struct slice name, int64_t now_ms, int64_t *expire_ms);
    bool (*remove)(struct entry *e, struct slice name, int64_t now_ms);
    void (*set_expire)(struct entry *e, struct slice name, int64_t when_ms);
    void (*allow_times)(struct entry *e); /* before the first time is set */
};

extern const struct part_kind hash_parts, set_parts;

/* The time by which parts are due. While the AOF is read back none is: it says itself which ones
 * were removed; and so does the source of an import. */
static inline int64_t parts_now(const struct call *x) {
    return call_sees_due(x) ? PARTS_ALL : x->now_ms;
}

/* Whether a part with this time is deleted at once. */
static inline bool part_is_over(const struct call *x, int64_t when_ms) {
    return when_ms <= parts_now(x);
}

/* ---------------------------------------------------------------- a value that is changed */

struct part_edit {
    struct ref r; /* r.e is NULL: there is none (yet) */
    const struct part_kind *kind;
    int64_t due_before; /* what its next due time was */
};

/* The value at argument 1. False: another type, answered with an error. */
bool parts_open(struct call *x, const struct part_kind *kind, struct part_edit *h);

/* Ends the change: an empty value is deleted, the index of due times follows. `event` is told, and
 * `n` changes are counted; n 0: nothing changed. */
void parts_close(struct call *x, struct part_edit *h, uint64_t n, const char *event);

/* The end of that, n > 0, for a caller that has called db_parts_changed() if that is needed. */
void parts_changed(struct call *x, struct part_edit *h, uint64_t n, bool emptied,
                   const char *event);

/* ---------------------------------------------------------------- arguments */

/* Parts among the arguments: argv[first .. first + n). */
struct part_args {
    int first, n;
};

/* "FIELDS n field ..." at argument i, up to the last one. `of_expire`: the command is HEXPIRE or
 * the like, which has another text for an n that is no positive integer. False: answered with an
 * error.
 */
bool parse_parts(struct call *x, const struct part_kind *kind, int i, bool of_expire,
                 struct part_args *f);

/* Argument i as the time at which parts are over. False: answered with an error. */
bool part_arg_time(struct call *x, int i, bool seconds, bool relative, int64_t *when_ms);

/* What HGETEX, HSETEX and SADDEX do with times. */
enum time_mode { TIME_NONE, TIME_SET, TIME_KEEP, TIME_PERSIST };

struct time_option {
    enum time_mode mode;
    int64_t when_ms; /* with TIME_SET */
};

/* Takes the option at argument *i, and what belongs to it. 1: it was one; 0: it is something else;
 * -1: answered with an error. `other`: the word that is there beside the four with a time. */
int parse_time_option(struct call *x, int *i, const char *other, enum time_mode other_mode,
                      struct time_option *o);

/* The arguments of HSETEX and SADDEX, in any order. */
struct part_setex {
    struct time_option time;
    bool if_none, if_all;       /* of the parts */
    bool if_no_key, if_has_key; /* NX, XX, of Valkey 9.1 */
    struct part_args parts;     /* n times kind->width arguments */
};

/* Argument of part i. */
static inline struct slice setex_part(const struct call *x, const struct part_edit *h,
                                      const struct part_setex *o, int i) {
    return x->argv[o->parts.first + h->kind->width * i];
}

/* HSETEX or SADDEX; `set` stores what is to be stored, and ends with parts_close(). */
int parts_setex(struct call *x, const struct part_kind *kind,
                void (*set)(struct call *x, struct part_edit *h, const struct part_setex *o));

/* ---------------------------------------------------------------- what is logged */

/* Parts that a command changed. */
struct part_list {
    struct slice *v;
    size_t n, cap;
};

void part_list_add(struct part_list *l, struct slice part);
void part_list_release(struct part_list *l);

/* Propagates the command that consists of `head` (PART_HEAD_MAX words at the most) and the parts,
 * if there are any. */
enum { PART_HEAD_MAX = 5 };
void parts_log(struct call *x, const struct slice *head, int nhead, const struct part_list *l);

/* Logs, for the parts of the list if there are any, that they got this time (or were deleted, if it
 * is over); that they lost theirs; that they were deleted. */
void parts_log_time(struct call *x, const struct part_edit *h, const struct part_list *l,
                    int64_t when_ms);
void parts_log_persist(struct call *x, const struct part_edit *h, const struct part_list *l);
void parts_log_delete(struct call *x, const struct part_edit *h, const struct part_list *l);

/* ---------------------------------------------------------------- the commands (part_expire.c) */

/* Unit and base of a time that is set or told. */
enum part_unit { PART_MS = 0, PART_SECONDS = 1, PART_RELATIVE = 2 };

/* key time [NX | XX | GT | LT] FIELDS n field ... */
int parts_expire(struct call *x, const struct part_kind *kind, unsigned unit);
/* key FIELDS n field ... */
int parts_persist(struct call *x, const struct part_kind *kind);
int parts_ttl(struct call *x, const struct part_kind *kind, unsigned unit);

/* What HGETEX, HSETEX and SADDEX take as times, as a grammar. */
#define PART_TIMES                                                                                 \
    "EX=seconds:int|PX=milliseconds:int|EXAT=unix-time-seconds:time|"                              \
    "PXAT=unix-time-milliseconds:time"

#endif
