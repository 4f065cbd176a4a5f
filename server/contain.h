/* SPDX-License-Identifier: BSD-3-Clause
 *
 * contain - `sandbox`, `run-as-user` and `run-as-group`: what of the configuration the process goes
 * on needing, and the rest given up, in three steps of the start.
 *
 * 1. contain_files(), before the first thread: from then on only the files of the configuration can
 *    be reached. Not if `dir` may be set at run time (enable-protected-configs): such a server must
 *    be able to go anywhere.
 * 2. contain_user(), when the ports and the unix socket are bound, before a data file is made.
 * 3. contain_calls(), before the first data file is read: what is in files is not trusted.
 *
 * A kernel that cannot do 1 or 3 is no reason not to start: the server log says what is missing.
 * With `run-as-user` everything must succeed.
 */
#ifndef STET_SERVER_CONTAIN_H
#define STET_SERVER_CONTAIN_H

#include "conf/conf.h"
#include "server/sandbox/sandbox.h"

struct containment {
    struct sandbox_user user;    /* name NULL: the process stays what it is */
    bool around_dir;             /* `dir` may be made again */
    bool files;                  /* Landlock is on */
    struct err why_not_files;    /* if not */
    struct err why_capabilities; /* text "": those not needed are gone */
};

/* -1: `run-as-user` is not possible, `e` says why. */
int contain_files(struct containment *c, struct conf *conf, struct err *e);
int contain_user(struct containment *c, const struct conf_values *v, struct err *e);

/* Logs what holds from now on. */
void contain_calls(struct containment *c, const struct conf_values *v);

#endif
