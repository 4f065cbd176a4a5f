/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client_filter - the words by which CLIENT LIST and CLIENT KILL choose connections.
 *
 * Pairs of a filter and its value, in any order; a connection is chosen if all of them match. Most
 * can be turned round with NOT- in front. A filter given twice counts as given last.
 */
#ifndef STET_ADMIN_CLIENT_FILTER_H
#define STET_ADMIN_CLIENT_FILTER_H

#include "server/exec/call.h"

enum client_type { TYPE_NORMAL, TYPE_MASTER, TYPE_REPLICA, TYPE_PUBSUB, CLIENT_TYPES };

enum client_by {
    BY_ID,
    BY_TYPE,
    BY_ADDR,
    BY_LADDR,
    BY_USER,
    BY_FLAGS,
    BY_NAME,
    BY_LIB_NAME,
    BY_LIB_VER,
    BY_DB,
    BY_IP,
    BY_CAPA,
    BY_NEGATABLE, /* those before may have NOT- in front */
    BY_IDLE = BY_NEGATABLE,
    BY_MAXAGE,
    BY_SKIPME,
    CLIENT_FILTERS
};

struct client_condition {
    int from, to;   /* arguments: the values; several only of BY_ID */
    int64_t number; /* of what is one; an enum client_type */
    const struct acl_user *user;
};

struct client_filter {
    unsigned given[2]; /* bits 1 << BY_..; [1]: those with NOT- */
    struct client_condition when[2][CLIENT_FILTERS];
    bool skip_me;
};

/* Reads filters from argument `i` to the last. False: answered with an error. */
bool client_filter_parse(struct call *x, int i, struct client_filter *f);

/* Whether a word is the name of a filter. */
bool client_filter_named(struct slice word);

bool client_filter_matches(const struct call *x, const struct client_filter *f,
                           const struct session *s);

#endif
