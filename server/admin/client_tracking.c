/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client_tracking - CLIENT TRACKING and what belongs to it.
 */
#include "server/admin/rows.h"
#include "server/exec/tracking.h"
#include "storage/base/mem.h"

#include <stdlib.h>

enum { PREFIXES_MAX = 1024 };

#define ERR_ENDS "Prefixes for a single client must not overlap."

struct wanted {
    unsigned options;
    struct session *redirect;
    struct slice *prefixes; /* released by the caller */
    size_t n;
};

static int parse_redirect(struct call *x, int i, struct wanted *w) {
    int64_t id;

    if (w->redirect) return reply_err(x, "ERR A client can only redirect to a single other client");
    if (!arg_int(x, i, &id)) return -1;
    w->redirect = client_by_id(x->e, (uint64_t)id);
    return w->redirect ? 0 : reply_err(x, "ERR The client ID you want redirect to does not exist");
}

static int parse_options(struct call *x, struct wanted *w) {
    for (int i = 3; i < x->argc; i++) {
        bool more = i + 1 < x->argc;

        if (more && arg_is(x, i, "redirect")) {
            if (parse_redirect(x, ++i, w) < 0) return -1;
        } else if (more && arg_is(x, i, "prefix")) {
            w->prefixes[w->n++] = x->argv[++i];
        } else if (arg_is(x, i, "bcast")) {
            w->options |= TRACKING_BCAST;
        } else if (arg_is(x, i, "optin")) {
            w->options |= TRACKING_OPTIN;
        } else if (arg_is(x, i, "optout")) {
            w->options |= TRACKING_OPTOUT;
        } else if (arg_is(x, i, "noloop")) {
            w->options |= TRACKING_NOLOOP;
        } else {
            return reply_err(x, ERR_SYNTAX);
        }
    }
    return 0;
}

static bool overlap(struct slice a, struct slice b) {
    return memcmp(a.p, b.p, a.n < b.n ? a.n : b.n) == 0;
}

static int by_text(const void *a, const void *b) {
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

/* Whether any two of the new prefixes and those that the client has overlap: then two do that stand
 * side by side when all are sorted. */
static bool some_overlap(const struct call *x, const struct wanted *w) {
    size_t have = tracking_prefixes(x->s), n = have + w->n;
    struct slice *all = mem_alloc((n + 1) * sizeof *all);
    bool found = false;

    for (size_t i = 0; i < have; i++) all[i] = tracking_prefix(x->s, i);
    memcpy(all + have, w->prefixes, w->n * sizeof *all);
    qsort(all, n, sizeof *all, by_text);
    for (size_t i = 1; i < n && !found; i++) found = overlap(all[i - 1], all[i]);
    mem_free(all);
    return found;
}

/* The first new prefix that overlaps with another decides about the error. */
static int refuse_overlap(struct call *x, const struct wanted *w) {
    for (size_t i = 0; i < w->n; i++) {
        struct slice a = w->prefixes[i], b;

        for (size_t k = 0; k < tracking_prefixes(x->s); k++) {
            b = tracking_prefix(x->s, k);
            if (overlap(a, b))
                return reply_errf(
                    x, "ERR Prefix '%.*s' overlaps with an existing prefix '%.*s'. " ERR_ENDS,
                    slice_shown(a), a.p, slice_shown(b), b.p);
        }
        for (size_t k = i + 1; k < w->n; k++) {
            b = w->prefixes[k];
            if (overlap(a, b))
                return reply_errf(
                    x, "ERR Prefix '%.*s' overlaps with another provided prefix '%.*s'. " ERR_ENDS,
                    slice_shown(a), a.p, slice_shown(b), b.p);
        }
    }
    return 0;
}

static int check_prefixes(struct call *x, const struct wanted *w) {
    size_t have = tracking_prefixes(x->s);

    if (have > PREFIXES_MAX || w->n > PREFIXES_MAX - have)
        return reply_errf(x, "ERR A single client can have at most %d prefixes", PREFIXES_MAX);
    return some_overlap(x, w) ? refuse_overlap(x, w) : 0;
}

static int check_modes(struct call *x, const struct wanted *w) {
    const struct tracker *t = x->s->tracker;
    unsigned before = t ? t->options : 0, either = TRACKING_OPTIN | TRACKING_OPTOUT;

    if (w->n > 0 && !(w->options & TRACKING_BCAST))
        return reply_err(x, "ERR PREFIX option requires BCAST mode to be enabled");
    if (t && (before ^ w->options) & TRACKING_BCAST)
        return reply_err(x, "ERR You can't switch BCAST mode on/off before disabling tracking for "
                            "this client, and then re-enabling it with a different mode.");
    if (w->options & TRACKING_BCAST && w->options & either)
        return reply_err(x, "ERR OPTIN and OPTOUT are not compatible with BCAST");
    if ((w->options & either) == either)
        return reply_err(x, "ERR You can't specify both OPTIN mode and OPTOUT mode");
    if (((before | w->options) & either) == either)
        return reply_err(x, "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for "
                            "this client, and then re-enabling it with a different mode.");
    return w->options & TRACKING_BCAST ? check_prefixes(x, w) : 0;
}

static int set_tracking(struct call *x, struct wanted *w) {
    bool on = arg_is(x, 2, "on");

    if (parse_options(x, w) < 0) return -1;
    if (!on && !arg_is(x, 2, "off")) return reply_err(x, ERR_SYNTAX);
    if (on && check_modes(x, w) < 0) return -1;
    if (on)
        tracking_begin(x->s, w->options, w->redirect, w->prefixes, w->n);
    else
        tracking_end(x->s);
    reply_ok(&x->r);
    return 0;
}

int cmd_client_tracking(struct call *x) {
    struct wanted w = {.prefixes = mem_alloc((size_t)x->argc * sizeof *w.prefixes)};
    int rc = set_tracking(x, &w);

    mem_free(w.prefixes);
    return rc;
}

int cmd_client_caching(struct call *x) {
    unsigned options = x->s->tracker ? x->s->tracker->options : 0;

    if (!x->s->tracker)
        return reply_err(x, "ERR CLIENT CACHING can be called only when the client is in tracking "
                            "mode with OPTIN or OPTOUT mode enabled");
    if (arg_is(x, 2, "yes")) {
        if (!(options & TRACKING_OPTIN))
            return reply_err(x, "ERR CLIENT CACHING YES is only valid when tracking is enabled in "
                                "OPTIN mode.");
    } else if (arg_is(x, 2, "no")) {
        if (!(options & TRACKING_OPTOUT))
            return reply_err(x, "ERR CLIENT CACHING NO is only valid when tracking is enabled in "
                                "OPTOUT mode.");
    } else {
        return reply_err(x, ERR_SYNTAX);
    }
    x->s->tracker->options |= TRACKING_CACHING;
    reply_ok(&x->r);
    return 0;
}

static int64_t redirect_of(const struct session *s) {
    return s->tracker ? (int64_t)s->tracker->redirect_id : -1;
}

int cmd_client_getredir(struct call *x) {
    reply_int(&x->r, redirect_of(x->s));
    return 0;
}

static size_t flags_of(const struct session *s, const char *words[8]) {
    unsigned o = s->tracker ? s->tracker->options : 0;
    size_t n = 0;

    words[n++] = s->tracker ? "on" : "off";
    if (o & TRACKING_BCAST) words[n++] = "bcast";
    if (o & TRACKING_OPTIN) words[n++] = "optin";
    if (o & TRACKING_OPTIN && o & TRACKING_CACHING) words[n++] = "caching-yes";
    if (o & TRACKING_OPTOUT) words[n++] = "optout";
    if (o & TRACKING_OPTOUT && o & TRACKING_CACHING) words[n++] = "caching-no";
    if (o & TRACKING_NOLOOP) words[n++] = "noloop";
    if (o & TRACKING_BROKEN) words[n++] = "broken_redirect";
    return n;
}

int cmd_client_trackinginfo(struct call *x) {
    const char *words[8];
    size_t n = flags_of(x->s, words), nprefixes = tracking_prefixes(x->s);

    reply_map(&x->r, 3);
    reply_bulk_str(&x->r, "flags");
    reply_set(&x->r, n);
    for (size_t i = 0; i < n; i++) reply_bulk_str(&x->r, words[i]);
    reply_bulk_str(&x->r, "redirect");
    reply_int(&x->r, redirect_of(x->s));
    reply_bulk_str(&x->r, "prefixes");
    reply_array(&x->r, nprefixes);
    for (size_t i = 0; i < nprefixes; i++) {
        struct slice prefix = tracking_prefix(x->s, i);

        reply_bulk(&x->r, prefix.p, prefix.n);
    }
    return 0;
}
