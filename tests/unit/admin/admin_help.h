/* SPDX-License-Identifier: BSD-3-Clause
 *
 * admin_help - an engine with clients but without network and application: commands go in as
 * words, replies come out as text.
 */
#ifndef STET_TESTS_ADMIN_HELP_H
#define STET_TESTS_ADMIN_HELP_H

#include "server/admin/admin.h"
#include "server/exec/blocking.h"

struct help_client {
    struct session s;
    bool closed;       /* at once */
    bool closes_after; /* when the output is out */
    unsigned resumed;
};

struct help {
    struct conf *conf;
    struct aof *aof;
    struct engine e;
    struct admin_app app;
    struct help_client a, b; /* two clients */
};

/* `options` as on a command line, for example "--requirepass secret"; NULL: none. With
 * "--appendonly yes" the log is opened in a directory of its own. */
struct help *help_new(const char *options);
void help_free(struct help *h);

/* One command, its words separated by blanks ('_' is an empty word); returns the reply as it would
 * go over the wire, CRLF as '|'. Good until the next call. */
const char *help_ask(struct help_client *c, const char *words);

/* What of the client's output may be sent now. */
/* What the client got since then. */
const char *help_heard(struct help_client *c);

size_t help_sendable(struct help_client *c);

/* Lets the log go on until `position` is synced. */
void help_wait_synced(struct help *h, uint64_t position);

#endif
