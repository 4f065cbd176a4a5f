/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hash_fields - arguments and logging of the commands that name several fields, and their times.
 */
#ifndef STET_COMMANDS_HASH_FIELDS_H
#define STET_COMMANDS_HASH_FIELDS_H

#include "server/commands/hash.h"

/* Fields among the arguments: argv[first .. first + n). */
struct fields {
    int first, n;
};

/* "FIELDS n field ..." at argument i, up to the last one. `bad_count`: what to say of an n that is
 * no positive integer, NULL: the usual. False: answered with an error. */
bool parse_fields(struct call *x, int i, const char *bad_count, struct fields *f);

/* Argument i as the time at which fields are over. False: answered with an error. */
bool hash_arg_time(struct call *x, int i, bool seconds, bool relative, int64_t *when_ms);

/* Whether a field with this time is deleted at once. */
static inline bool hash_is_over(const struct call *x, int64_t when_ms) {
    return when_ms <= hash_now(x);
}

/* Fields that a command changed. */
struct field_list {
    struct slice *v;
    size_t n, cap;
};

void field_list_add(struct field_list *l, struct slice field);
void field_list_release(struct field_list *l);

/* Logs, for the fields of the list if there are any, that they got this time (or were deleted, if
 * it is over); that they lost theirs; that they were deleted. */
void hash_log_time(struct call *x, const struct hash_edit *h, const struct field_list *l,
                   int64_t when_ms);
void hash_log_persist(struct call *x, const struct hash_edit *h, const struct field_list *l);
void hash_log_delete(struct call *x, const struct hash_edit *h, const struct field_list *l);

#endif
