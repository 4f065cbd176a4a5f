/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/commands/sketch.h"

#include "conf/conf.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"

enum {
    CHUNK_BYTES = 4 << 20, /* of SCANDUMP: copied at a stretch */
    COST_MOST = 1 << 25,   /* half a second */
};

static const enum event_class no_event = 0;

bool find_sketch(struct call *x, enum type_id type, struct ref *r, void *s) {
    void *object = NULL;

    *r = x->cmd->row->flags & CMD_WRITE ? lookup_write(x, 1) : lookup_read(x, 1);
    if (!check_type(x, r, type)) return false;
    if (r->e) object = entry_object(r->e);
    memcpy(s, &object, sizeof object); /* the caller's pointer has its own type */
    return true;
}

bool need_sketch(struct call *x, enum type_id type, const char *missing, struct ref *r, void *s) {
    if (!find_sketch(x, type, r, s)) return false;
    if (r->e) return true;
    reply_err(x, missing);
    return false;
}

void put_sketch(struct call *x, struct ref *r, enum type_id type, void *s) {
    int64_t expire_ms = r->e ? entry_expire(r->e) : ENTRY_NO_EXPIRE;

    store_entry(x, r, entry_new_object(r->key, type, s, expire_ms, 0));
}

void sketch_changed(struct call *x, const struct ref *r) {
    key_changed(x, r, no_event, "");
}

uint64_t sketch_limit(const struct call *x) {
    return call_obeys(x) ? UINT64_MAX / 2 : x->e->v->proto_max_bulk_len;
}

bool sketch_affords(struct call *x, int items, uint64_t cost) {
    if ((uint64_t)items * cost <= COST_MOST || call_obeys(x)) return true;
    reply_err(x, "ERR too many items for one command on a sketch of this shape");
    return false;
}

int find_word(const struct call *x, const char *word) {
    int i = 2;

    while (i < x->argc && !arg_is(x, i, word)) i++;
    return i;
}

/* ---------------------------------------------------------------- SCANDUMP, LOADCHUNK */

static bool arg_iterator(struct call *x, int64_t *iterator) {
    if (num_parse_i64(x->argv[2].p, x->argv[2].n, iterator) && *iterator >= 0) return true;
    reply_err(x, "ERR Second argument must be numeric");
    return false;
}

/* Iterator 0 asks for the head; 1 and the offset for the body from there on. */
int sketch_scandump(struct call *x, enum type_id type) {
    const struct sketch_ops *ops = sketch_ops_of(type);
    struct slice piece = {"", 0};
    struct bytes head = {0};
    int64_t iterator, next = 0;
    struct ref r;
    void *s;

    if (!arg_iterator(x, &iterator) || !need_sketch(x, type, ERR_NOT_FOUND, &r, &s)) return -1;
    if (iterator == 0) {
        ops->head(s, &head);
        piece = bytes_slice(&head);
        next = 1;
    } else if ((uint64_t)iterator - 1 < ops->body(s)) {
        piece = ops->at(s, (uint64_t)iterator - 1);
        if (piece.n > CHUNK_BYTES) piece.n = CHUNK_BYTES;
        next = iterator + (int64_t)piece.n;
    }
    reply_array(&x->r, 2);
    reply_int(&x->r, next);
    reply_bulk(&x->r, piece.p, piece.n);
    bytes_release(&head);
    return 0;
}

static int load_head(struct call *x, struct ref *r, enum type_id type) {
    const struct sketch_ops *ops = sketch_ops_of(type);
    void *s = ops->make(x->argv[3], sketch_limit(x));

    if (!s) return reply_err(x, "ERR received bad data");
    put_sketch(x, r, type, s);
    return 0;
}

/* Iterator 1 brings the head; others a piece of the body, and say where it ends. */
int sketch_loadchunk(struct call *x, enum type_id type) {
    const struct sketch_ops *ops = sketch_ops_of(type);
    struct slice data = x->argv[3];
    int64_t iterator;
    struct ref r;
    void *s;

    if (!arg_iterator(x, &iterator) || !find_sketch(x, type, &r, &s)) return -1;
    if (iterator == 1) {
        if (load_head(x, &r, type) < 0) return -1;
    } else if (!s) {
        return reply_err(x, ERR_NOT_FOUND);
    } else {
        uint64_t end = (uint64_t)iterator - 1;

        if (iterator == 0 || data.n == 0 || data.n > end || end > ops->body(s))
            return reply_err(x, "ERR received bad data");
        sketch_write(type, s, end - data.n, data);
    }
    sketch_changed(x, &r);
    reply_ok(&x->r);
    return 0;
}
