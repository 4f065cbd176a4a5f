/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/acl_log.h"

#include "storage/base/mem.h"

enum {
    GROUP_MS = 60000, /* as Redis */
    LOOK_BACK = 10,   /* the same */
    TEXT_MAX = 4096,  /* bytes of a name that are kept: the refused client chooses names */
};

static struct slice cut(struct slice s) {
    return slice_of(s.p, s.n < TEXT_MAX ? s.n : TEXT_MAX);
}

static void release(struct acl_entry *e) {
    mem_free(e->username);
    bytes_release(&e->object);
    bytes_release(&e->client);
}

static bool is_alike(const struct acl_entry *e, const struct acl_denial *d) {
    return e->reason == d->reason && e->scene == d->scene &&
           d->now_ms - e->updated_ms <= GROUP_MS &&
           slice_eq(bytes_slice(&e->object), cut(d->object)) &&
           slice_eq(slice_str(e->username), cut(d->username));
}

/* The newest entry of the last few that it is like, moved to the end; NULL: none. */
static struct acl_entry *find_alike(struct acl_log *l, const struct acl_denial *d) {
    size_t first = l->n > LOOK_BACK ? l->n - LOOK_BACK : 0;

    for (size_t i = l->n; i-- > first;) {
        struct acl_entry found = l->v[i];

        if (!is_alike(&found, d)) continue;
        memmove(l->v + i, l->v + i + 1, (l->n - i - 1) * sizeof *l->v);
        l->v[l->n - 1] = found;
        return &l->v[l->n - 1];
    }
    return NULL;
}

static struct acl_entry *new_entry(struct acl_log *l, const struct acl_denial *d) {
    struct slice user = cut(d->username), object = cut(d->object);
    struct acl_entry *e;

    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 8;
        l->v = mem_realloc(l->v, l->cap * sizeof *l->v);
    }
    e = &l->v[l->n++];
    *e = (struct acl_entry){
        .id = l->next_id++, .reason = d->reason, .scene = d->scene, .created_ms = d->now_ms};
    bytes_append(&e->object, object.p, object.n);
    e->username = mem_alloc(user.n + 1);
    memcpy(e->username, user.p, user.n);
    e->username[user.n] = '\0';
    return e;
}

void acl_log_add(struct acl_log *l, const struct acl_denial *d, struct bytes *client, size_t max) {
    struct acl_entry *e = find_alike(l, d);

    if (!e) e = new_entry(l, d);
    e->count++;
    e->updated_ms = d->now_ms;
    bytes_release(&e->client);
    e->client = *client;
    *client = (struct bytes){0};
    acl_log_trim(l, max);
}

void acl_log_trim(struct acl_log *l, size_t max) {
    size_t drop = l->n > max ? l->n - max : 0;

    for (size_t i = 0; i < drop; i++) release(&l->v[i]);
    if (drop) memmove(l->v, l->v + drop, (l->n - drop) * sizeof *l->v);
    l->n -= drop;
    if (l->n > 0) return;
    mem_free(l->v);
    l->v = NULL;
    l->cap = 0;
}
