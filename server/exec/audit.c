/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/audit.h"

#include "conf/conf.h"
#include "server/exec/acl_user.h"
#include "server/exec/call.h"
#include "storage/base/log.h"

enum { NAME_MAX_BYTES = 64, NAMES_MAX_BYTES = 512 };

/* Whether another line may be written in this second. */
static bool has_room(struct audit *a) {
    uint64_t second = clock_mono_us() / 1000000;

    if (second != a->second) {
        if (a->left_out)
            log_warning("Audit: %llu lines were left out, more than %d came in a second.",
                        (unsigned long long)a->left_out, AUDIT_LINES_MAX);
        *a = (struct audit){.second = second};
    }
    if (a->lines < AUDIT_LINES_MAX) {
        a->lines++;
        return true;
    }
    a->left_out++;
    return false;
}

static void append_name(struct bytes *b, struct slice name) {
    if (name.n > NAME_MAX_BYTES) name.n = NAME_MAX_BYTES;
    bytes_append_quoted(b, name);
}

void audit(struct call *x, const char *what, struct slice name) {
    struct session_wire wire;
    struct bytes b = {0};

    if (!has_room(x->e->audit)) return;
    x->s->ops->describe(x->s, &wire);
    bytes_printf(&b, "Audit: %s", what);
    if (name.p) bytes_append_char(&b, ' ');
    if (name.p) append_name(&b, name);
    bytes_printf(&b, ". Client %s, id %llu, user ", wire.addr, (unsigned long long)x->s->id);
    append_name(&b, slice_str(x->s->user->name));
    log_warning("%s", bytes_cstr(&b));
    bytes_release(&b);
}

void audit_parameters(struct call *x, const struct slice *pairs, size_t n) {
    struct bytes b = {0};

    for (size_t i = 0; i < n && b.n < NAMES_MAX_BYTES; i++) {
        if (!conf_is_audited(pairs[2 * i])) continue;
        bytes_append_str(&b, b.n ? ", " : "CONFIG SET changed ");
        bytes_append(&b, pairs[2 * i].p, pairs[2 * i].n);
    }
    if (b.n) audit(x, bytes_cstr(&b), (struct slice){0});
    bytes_release(&b);
}
