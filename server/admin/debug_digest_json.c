/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/admin/debug_digest.h"
#include "storage/json.h"

static struct digest digest_value(const struct json *v);

/* The order of members means nothing. */
static struct digest digest_children(const struct json *v) {
    struct digest sum = {{0}};

    for (uint32_t i = 0; i < v->n; i++) {
        struct digest d = digest_value(json_child(v, i));

        if (v->kind == JSON_OBJECT) {
            struct slice name = json_text(&v->u.members[i].name);

            digest_chain(&d, digest_of(name.p, name.n));
            digest_xor(&sum, d);
        } else {
            digest_chain(&sum, d);
        }
    }
    return sum;
}

static struct digest digest_value(const struct json *v) {
    struct {
        uint64_t kind;
        struct digest content;
    } rec;

    memset(&rec, 0, sizeof rec); /* padding is hashed too */
    rec.kind = v->kind;
    if (json_is_container(v)) {
        rec.content = digest_children(v);
    } else if (v->kind == JSON_STRING) {
        struct slice s = json_text(v);

        rec.content = digest_of(s.p, s.n);
    } else if (v->kind != JSON_NULL) {
        rec.content = digest_of(&v->u.integer, sizeof v->u.integer);
    }
    return digest_of(&rec, sizeof rec);
}

struct digest digest_json(const struct entry *e) {
    return digest_value(json_of(e));
}
