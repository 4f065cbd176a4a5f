/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hotkeys - HOTKEYS: starts, stops, shows and forgets what exec/hotkeys collects.
 */
#include "server/exec/hotkeys.h"

#include "server/admin/rows.h"
#include "server/exec/slots.h"
#include "storage/base/mem.h"

enum { DEFAULT_COUNT = 10, DURATION_MAX_S = 1000000 };

/* ---------------------------------------------------------------- START */

/* "METRICS n CPU NET" at argument *i; leaves the last of them there. */
static bool parse_metrics(struct call *x, int *i, struct hotkeys_options *o) {
    int64_t n;

    if (*i + 1 >= x->argc) {
        reply_err(x, ERR_SYNTAX);
        return false;
    }
    if (!arg_int_range(x, ++*i, 1, HOTKEYS_METRICS, &n, "ERR METRICS count must be 1 or 2"))
        return false;
    for (; n > 0 && *i + 1 < x->argc; n--) {
        bool cpu = arg_is(x, *i + 1, "cpu");
        unsigned metric = 1u << (cpu ? HOTKEYS_CPU : HOTKEYS_NET);

        if ((!cpu && !arg_is(x, *i + 1, "net")) || o->metrics & metric) break;
        o->metrics |= metric;
        ++*i;
    }
    if (n == 0) return true;
    reply_err(x, "ERR METRICS needs as many of CPU and NET as its count says");
    return false;
}

/* "SLOTS n slot ..." */
static bool parse_slots(struct call *x, int *i, struct hotkeys_options *o) {
    int64_t n, slot;

    if (!x->e->cluster) {
        reply_err(x, "ERR SLOTS is for servers in cluster mode");
        return false;
    }
    if (*i + 1 >= x->argc || o->slots) {
        reply_err(x, ERR_SYNTAX);
        return false;
    }
    if (!arg_int_range(x, ++*i, 1, SLOTS, &n, "ERR SLOTS count must be 1 to 16384")) return false;
    o->slots = mem_calloc(SLOTS * sizeof *o->slots);
    for (; n > 0 && *i + 1 < x->argc; n--) {
        if (!arg_int_range(x, ++*i, 0, SLOTS - 1, &slot, "ERR Invalid or out of range slot"))
            return false;
        if (o->slots[slot]) {
            reply_errf(x, "ERR Slot %d specified multiple times", (int)slot);
            return false;
        }
        o->slots[slot] = true;
    }
    if (n == 0) return true;
    reply_err(x, ERR_SYNTAX);
    return false;
}

/* An option with a number, at argument *i. */
static bool parse_number(struct call *x, int *i, struct hotkeys_options *o) {
    bool count = arg_is(x, *i, "count"), duration = arg_is(x, *i, "duration");
    int64_t v;

    if ((!count && !duration && !arg_is(x, *i, "sample")) || *i + 1 == x->argc) {
        reply_err(x, ERR_SYNTAX);
        return false;
    }
    ++*i;
    if (count) {
        if (!arg_int_range(x, *i, 1, HOTKEYS_COUNT_MAX, &v, "ERR COUNT must be 1 to 64"))
            return false;
        o->count = (uint32_t)v;
    } else if (duration) {
        if (!arg_int_range(x, *i, 0, DURATION_MAX_S, &o->duration_s,
                           "ERR DURATION must be 0 to 1000000 seconds"))
            return false;
    } else {
        if (!arg_int_range(x, *i, 1, INT32_MAX, &v, "ERR SAMPLE ratio must be positive"))
            return false;
        o->sample = (uint64_t)v;
    }
    return true;
}

static bool parse(struct call *x, struct hotkeys_options *o) {
    for (int i = 2; i < x->argc; i++) {
        bool ok = arg_is(x, i, "metrics") && !o->metrics ? parse_metrics(x, &i, o)
                  : arg_is(x, i, "slots")                ? parse_slots(x, &i, o)
                                                         : parse_number(x, &i, o);

        if (!ok) return false;
    }
    if (o->metrics) return true;
    reply_err(x, "ERR METRICS is missing");
    return false;
}

static int cmd_hotkeys_start(struct call *x) {
    struct hotkeys_options o = {.count = DEFAULT_COUNT, .sample = 1};

    hotkeys_tick(x->e);
    if (hotkeys_is_active(x->e))
        return reply_err(x, "ERR hotkeys tracking session already in progress");
    if (!parse(x, &o)) {
        mem_free(o.slots);
        return -1;
    }
    hotkeys_start(x->e, &o);
    reply_ok(&x->r);
    return 0;
}

/* ---------------------------------------------------------------- STOP, RESET */

static int cmd_hotkeys_stop(struct call *x) {
    hotkeys_tick(x->e);
    if (hotkeys_is_active(x->e)) {
        hotkeys_stop(x->e);
        reply_ok(&x->r);
    } else {
        reply_null(&x->r);
    }
    return 0;
}

static int cmd_hotkeys_reset(struct call *x) {
    hotkeys_tick(x->e);
    if (hotkeys_is_active(x->e))
        return reply_err(x, "ERR hotkeys tracking session in progress, stop it first");
    hotkeys_free(x->e);
    reply_ok(&x->r);
    return 0;
}

/* ---------------------------------------------------------------- GET */

static void field(struct call *x, const char *name, uint64_t v) {
    reply_bulk_str(&x->r, name);
    reply_int(&x->r, (int64_t)v);
}

/* The first range of slots from `at` on; false: there is none. */
static bool next_range(const bool *slots, unsigned at, unsigned *first, unsigned *last) {
    while (at < SLOTS && !slots[at]) at++;
    if (at == SLOTS) return false;
    *first = at;
    while (at < SLOTS && slots[at]) at++;
    *last = at - 1;
    return true;
}

static void reply_slots(struct call *x, const bool *slots) {
    unsigned first, last, n = 0;

    for (unsigned at = 0; slots && next_range(slots, at, &first, &last); at = last + 1) n++;
    reply_bulk_str(&x->r, "selected-slots");
    reply_array(&x->r, n);
    for (unsigned at = 0; slots && next_range(slots, at, &first, &last); at = last + 1) {
        reply_array(&x->r, first == last ? 1 : 2);
        reply_int(&x->r, first);
        if (first != last) reply_int(&x->r, last);
    }
}

static void reply_keys(struct call *x, const char *name, enum hotkeys_metric m, uint64_t unit) {
    const struct hotkeys_key *top[HOTKEYS_COUNT_MAX];
    unsigned n = hotkeys_top(x->e, m, top);

    reply_bulk_str(&x->r, name);
    reply_array(&x->r, 2 * (size_t)n);
    for (unsigned i = 0; i < n; i++) {
        reply_bulk(&x->r, top[i]->name, top[i]->name_n);
        reply_int(&x->r, (int64_t)(top[i]->value / unit));
    }
}

/* One metric's totals; those that say the same as another one are left out. */
static void reply_totals(struct call *x, const struct hotkeys_report *r, enum hotkeys_metric m,
                         const char *const names[3], uint64_t unit) {
    if (r->options->slots && r->options->sample > 1)
        field(x, names[0], r->totals->sampled[m] / unit);
    if (r->options->slots) field(x, names[1], r->totals->selected[m] / unit);
    field(x, names[2], r->totals->all[m] / unit);
}

static int cmd_hotkeys_get(struct call *x) {
    static const char *const times[3] = {"sampled-commands-selected-slots-us",
                                         "all-commands-selected-slots-us",
                                         "all-commands-all-slots-us"};
    static const char *const bytes[3] = {"net-bytes-sampled-commands-selected-slots",
                                         "net-bytes-all-commands-selected-slots",
                                         "net-bytes-all-commands-all-slots"};
    struct hotkeys_report r;
    const struct hotkeys_options *o;
    unsigned extra;

    hotkeys_tick(x->e);
    if (!x->e->hotkeys) {
        reply_null(&x->r);
        return 0;
    }
    r = hotkeys_report(x->e);
    o = r.options;
    extra = o->slots ? (o->sample > 1 ? 4 : 2) : 0;
    reply_map(&x->r, 10 + extra + (unsigned)__builtin_popcount(o->metrics));
    field(x, "tracking-active", hotkeys_is_active(x->e));
    field(x, "sample-ratio", o->sample);
    reply_slots(x, o->slots);
    reply_totals(x, &r, HOTKEYS_CPU, times, 1000);
    reply_totals(x, &r, HOTKEYS_NET, bytes, 1);
    field(x, "collection-start-time-unix-ms", (uint64_t)r.started_ms);
    field(x, "collection-duration-ms", (uint64_t)r.lasted_ms);
    field(x, "total-cpu-time-user-ms", r.user_ms);
    field(x, "total-cpu-time-sys-ms", r.system_ms);
    field(x, "total-net-bytes", r.net_bytes);
    if (o->metrics & 1u << HOTKEYS_CPU) reply_keys(x, "by-cpu-time-us", HOTKEYS_CPU, 1000);
    if (o->metrics & 1u << HOTKEYS_NET) reply_keys(x, "by-net-bytes", HOTKEYS_NET, 1);
    return 0;
}

static int cmd_hotkeys_help(struct call *x) {
    static const char *const lines[] = {
        "GET",
        "    What the session has collected; nil if there is none.",
        "RESET",
        "    Forget a session that was stopped.",
        "START METRICS <n> [CPU] [NET] [COUNT <k>] [DURATION <seconds>] [SAMPLE <ratio>]",
        "    [SLOTS <n> <slot> ...]",
        "    Collect the keys with the most time, or the most bytes of the network.",
        "STOP",
        "    End the session; GET still shows it.",
        NULL,
    };

    reply_help(x, lines);
    return 0;
}

/* ---------------------------------------------------------------- rows */

#define H (CMD_ADMIN | CMD_NOSCRIPT)

/* clang-format off */
static const struct command hotkeys_subcommands[] = {
    {"get", 2, H, "server", {0, 0, 0}, cmd_hotkeys_get, "8.6.0",
     "Shows the keys that take the most time and bytes.",
     .tips = "nondeterministic_output"},
    {"help", 2, CMD_HELP, "server", {0, 0, 0}, cmd_hotkeys_help, "8.6.0",
     "Explains the subcommands."},
    {"reset", 2, H, "server", {0, 0, 0}, cmd_hotkeys_reset, "8.6.0",
     "Forgets what was collected."},
    {"start", -2, H, "server", {0, 0, 0}, cmd_hotkeys_start, "8.6.0",
     "Begins to collect the keys that take the most time and bytes.",
     .grammar = "METRICS=metrics{count:int [CPU] [NET]} [COUNT=k:int] [DURATION=duration:int] "
                "[SAMPLE=ratio:int] [SLOTS=slots{count:int slot:int+}]"},
    {"stop", 2, H, "server", {0, 0, 0}, cmd_hotkeys_stop, "8.6.0",
     "Ends the collection."},
    {0},
};

const struct command hotkeys_commands[] = {
    {"hotkeys", -2, 0, "server", {0, 0, 0}, NULL, "8.6.0",
     "The commands about the keys that take the most time and bytes.",
     .subcommands = hotkeys_subcommands},
    {0},
};
/* clang-format on */
