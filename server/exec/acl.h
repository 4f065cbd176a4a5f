/* SPDX-License-Identifier: BSD-3-Clause
 *
 * acl - the users of the server, which of them a session is, and what happens to sessions when
 * their user changes.
 *
 * Every session has a user, always: "default" after connecting. A user keeps its address as long as
 * it exists; a change replaces its contents. Sessions of a deleted user become those of `nobody`, a
 * user without rights, and are closed. The replay of the AOF and scripts without a client run as
 * `everybody`.
 *
 * The fast path: a user with all rights costs one test, `user->total`.
 */
#ifndef STET_EXEC_ACL_H
#define STET_EXEC_ACL_H

#include "server/exec/acl_log.h"
#include "storage/base/err.h"

struct call;
struct engine;
struct session;

/* In the order of their names. */
struct acl_users {
    struct acl_user **v;
    size_t n;
};

struct acl {
    struct acl_terms terms;
    struct acl_users users;
    struct acl_user *standard, *everybody, *nobody; /* "default"; see above */
    struct acl_log log;
};

/* After the commands are registered. The default user has all rights; requirepass is its
 * password. */
void acl_init(struct engine *e);
void acl_release(struct engine *e);

/* ---------------------------------------------------------------- users */

struct acl_user *acl_users_find(const struct acl_users *all, struct slice name);

/* Takes `u` over; -1: there is one of that name, and `u` is not taken. */
int acl_users_add(struct acl_users *all, struct acl_user *u);
void acl_users_release(struct acl_users *all);

struct acl_user *acl_find(const struct engine *e, struct slice name);

/* Users as redis-server sets them up: on, no password, all rights. */
struct acl_user *acl_user_new_standard(const struct acl_terms *terms);

/* Makes or changes a user by rules: all of them, or none and `why` says which was wrong and what
 * about it, in Redis' words. */
int acl_set_user(struct engine *e, struct slice name, const struct slice *rules, size_t n,
                 struct bytes *why);

/* False: there is none. The default user cannot be deleted. */
bool acl_delete_user(struct engine *e, struct slice name);

/* All users become these, which are taken over. The default user is as in `all`, or as new. */
void acl_replace_users(struct engine *e, struct acl_users *all);

/* CONFIG SET requirepass; n 0: none. */
void acl_set_standard_password(struct engine *e, struct slice password);

/* A client that has not authenticated itself is not served: the default user has a password, or is
 * off. */
bool acl_asks_for_password(const struct engine *e);

/* ---------------------------------------------------------------- sessions */

/* As after connecting. */
void acl_begin_session(struct session *s);

/* The call's client becomes the user. False: the user is unknown or off, or the password is wrong;
 * ACL LOG notes it. */
bool acl_authenticate(struct call *x, struct slice name, struct slice password);

/* The session becomes the first of these users that is on, without a password: its certificate
 * names them. False: there is none; the session stays as it is, and ACL LOG notes the last name. */
bool acl_take_named(struct session *s, const struct slice *names, size_t n);

/* The session is served: it has authenticated itself, or need not. */
bool acl_is_served(const struct session *s);

/* ---------------------------------------------------------------- the check of one call */

/* Where a command of the call runs. */
struct acl_place acl_place_of(const struct call *x);

/* Whether the call's client may run `cmd`. ACL LOG and the counters note a refusal; `out` (may be
 * NULL) gets the error text without its code. Only for users without all rights: test `user->total`
 * first. */
enum acl_verdict acl_judge(struct call *x, const struct command_slot *cmd, int argc,
                           const struct slice *argv, enum acl_scene scene, struct bytes *out);

#endif
