/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/redirect.h"

#include "conf/conf.h"

bool is_redirected(const struct session *s, uint32_t flags) {
    if (!(s->flags & SESSION_REDIRECTABLE) || !s->e->role.is_replica || s->e->cluster) return false;
    if (!s->e->v->replicaof.host) return false;
    return flags & CMD_WRITE || (flags & CMD_READONLY && !(s->flags & SESSION_READONLY));
}

void redirect_text(const struct engine *e, char text[REDIRECT_MAX]) {
    const struct conf_replicaof *m = &e->v->replicaof;

    snprintf(text, REDIRECT_MAX, "REDIRECT %s:%d", m->host, m->port);
}
