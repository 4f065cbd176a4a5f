/* SPDX-License-Identifier: BSD-3-Clause
 *
 * acl_file - users as text: the file named by `aclfile`, and the `user` lines of the configuration.
 *
 * One user a line; blank lines and lines that begin with '#' mean nothing. A file is taken as a
 * whole or not at all; it is written by io_rewrite().
 */
#ifndef STET_EXEC_ACL_FILE_H
#define STET_EXEC_ACL_FILE_H

#include "server/exec/acl.h"

/* Reads the text of a file called `name`. -1: `errors` has all that is wrong with it, in Redis'
 * words, and `out` is empty. */
int acl_file_parse(struct slice text, const char *name, const struct acl_terms *terms,
                   struct acl_users *out, struct bytes *errors);

void acl_file_text(const struct acl_users *all, struct bytes *out);

/* ACL LOAD. -1: nothing has changed, and `why` is what to answer. */
int acl_load(struct engine *e, struct bytes *why);

/* ACL SAVE in two steps: the first takes the users of now and does not touch the disk, the second
 * writes the file, on any thread, and frees what the first has returned. */
void *acl_save_begin(const struct engine *e);
int acl_save_finish(void *saving, struct err *e);

/* The users of the configuration, from lines or from a file. -1: it has been said what is wrong. */
int acl_start(struct engine *e);

#endif
