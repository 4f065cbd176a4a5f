/* SPDX-License-Identifier: BSD-3-Clause
 *
 * acl_user - one user: on or off, passwords, selectors.
 *
 * Passwords are kept as the hexadecimal digits of their SHA-256, never as they are.
 */
#ifndef STET_EXEC_ACL_USER_H
#define STET_EXEC_ACL_USER_H

#include "server/exec/acl_selector.h"

struct acl_user {
    char *name;
    bool on, no_password, skip_sanitize;
    bool total; /* one of the selectors allows everything: nothing needs to be looked at */
    char **passwords;
    size_t npasswords;
    struct acl_selector **selectors; /* the first is the root */
    size_t nselectors;
};

/* Off, without a password, without rights. */
struct acl_user *acl_user_new(struct slice name, const struct acl_terms *terms);
void acl_user_free(struct acl_user *u);

/* A copy, to try rules on; and what came of it, taken over. `from` is freed. */
struct acl_user *acl_user_copy(const struct acl_user *from);
void acl_user_become(struct acl_user *u, struct acl_user *from);

/* Applies one rule; NULL, or why not, in Redis' words. */
const char *acl_user_apply(struct acl_user *u, const struct acl_terms *terms, struct slice rule);

/* Several words that begin with '(' are one rule up to the ')'. Calls back for each rule, until one
 * returns false. -1: *unmatched is the word whose parenthesis stays open; nothing was called. */
typedef bool (*acl_rule_fn)(void *arg, struct slice rule);
int acl_rules_each(const struct slice *words, size_t n, acl_rule_fn fn, void *arg,
                   struct slice *unmatched);

/* The password is one of the user's, or the user needs none. Always takes as long as comparing with
 * all of them. */
bool acl_user_knows(const struct acl_user *u, struct slice password);

/* "user NAME on #1234 ~* resetchannels -@all +get (~a resetchannels -@all)"; a name without a
 * character is written as "". */
void acl_user_describe(const struct acl_user *u, enum acl_form form, struct bytes *out);

/* The names of the flags that are set; how many. */
enum { ACL_FLAGS_MAX = 3 };
int acl_user_flags(const struct acl_user *u, const char *out[ACL_FLAGS_MAX]);

#endif
