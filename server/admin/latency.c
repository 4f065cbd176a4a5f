/* SPDX-License-Identifier: BSD-3-Clause
 *
 * latency - LATENCY: what took longer than it should, and how long commands take.
 */
#include "server/exec/latency.h"
#include "server/admin/doctor.h"
#include "server/admin/rows.h"
#include "server/exec/observe.h"

/* ---------------------------------------------------------------- events */

static void reply_sample(struct reply *r, struct latency_sample s) {
    reply_int(r, s.at_s);
    reply_int(r, s.ms);
}

static int cmd_latency_latest(struct call *x) {
    const struct latency *l = x->e->latency;

    reply_array(&x->r, l->n);
    for (size_t i = 0; i < l->n; i++) {
        const struct latency_event *t = l->events[i];

        reply_array(&x->r, 4);
        reply_bulk_str(&x->r, t->name);
        reply_sample(&x->r, latency_at(t, t->n - 1));
        reply_int(&x->r, t->max_ms);
    }
    return 0;
}

static const struct latency_event *event_arg(const struct call *x, int i) {
    return latency_find(x->e->latency, x->argv[i].p, x->argv[i].n);
}

static int cmd_latency_history(struct call *x) {
    const struct latency_event *t = event_arg(x, 2);

    reply_array(&x->r, t ? t->n : 0);
    for (unsigned i = 0; t && i < t->n; i++) {
        reply_array(&x->r, 2);
        reply_sample(&x->r, latency_at(t, i));
    }
    return 0;
}

static bool is_named(const struct call *x, const char *name) {
    for (int i = 2; i < x->argc; i++)
        if (arg_is(x, i, name)) return true;
    return x->argc == 2;
}

static int cmd_latency_reset(struct call *x) {
    struct latency *l = x->e->latency;
    int64_t n = 0;

    for (size_t i = l->n; i-- > 0;) {
        if (!is_named(x, l->events[i]->name)) continue;
        latency_forget(l, i);
        n++;
    }
    reply_int(&x->r, n);
    return 0;
}

/* ---------------------------------------------------------------- GRAPH */

enum { GRAPH_ROWS = 4, GRAPH_SHADES = 3, GRAPH_COLUMNS = 80 };

/* How long ago, in two or three characters. */
static void age_text(char out[8], int64_t s) {
    if (s < 60)
        snprintf(out, 8, "%ds", (int)s);
    else if (s < 3600)
        snprintf(out, 8, "%dm", (int)(s / 60));
    else if (s < 86400)
        snprintf(out, 8, "%dh", (int)(s / 3600));
    else
        snprintf(out, 8, "%dd", (int)(s / 86400 > 999 ? 999 : s / 86400));
}

static char graph_cell(uint32_t ms, uint32_t low, uint32_t high, int row) {
    double range = high > low ? (double)(high - low) : 1;
    int height = (int)((double)(ms - low) / range * (GRAPH_ROWS * GRAPH_SHADES - 1));
    int shade = height - (GRAPH_ROWS - 1 - row) * GRAPH_SHADES;

    return shade < 0 ? ' ' : shade < GRAPH_SHADES ? "_o#"[shade] : '|';
}

/* The newest samples that fit, the time of each written downwards below its column. */
static void append_graph(struct bytes *b, const struct latency_event *t, uint32_t low,
                         uint32_t high) {
    unsigned first = t->n > GRAPH_COLUMNS ? t->n - GRAPH_COLUMNS : 0;
    int64_t now = clock_wall_ms() / 1000;
    size_t longest = 0;

    for (int row = 0; row < GRAPH_ROWS; row++) {
        for (unsigned i = first; i < t->n; i++)
            bytes_append_char(b, graph_cell(latency_at(t, i).ms, low, high, row));
        bytes_append_char(b, '\n');
    }
    for (unsigned i = first; i < t->n; i++) bytes_append_char(b, ' ');
    bytes_append_char(b, '\n');
    for (size_t k = 0; k == 0 || k < longest; k++) {
        for (unsigned i = first; i < t->n; i++) {
            char age[8];

            age_text(age, now - latency_at(t, i).at_s);
            if (strlen(age) > longest) longest = strlen(age);
            bytes_append_char(b, k < strlen(age) ? age[k] : ' ');
        }
        bytes_append_char(b, '\n');
    }
}

static int cmd_latency_graph(struct call *x) {
    const struct latency_event *t = event_arg(x, 2);
    uint32_t low = UINT32_MAX, high = 0;
    struct bytes b = {0};

    if (!t)
        return reply_errf(x, "ERR No samples available for event '%.*s'", (int)x->argv[2].n,
                          x->argv[2].p);
    for (unsigned i = 0; i < t->n; i++) {
        uint32_t ms = latency_at(t, i).ms;

        if (ms < low) low = ms;
        if (ms > high) high = ms;
    }
    bytes_printf(&b, "%s - high %u ms, low %u ms (all time high %u ms)\n", t->name, high, low,
                 t->max_ms);
    for (int i = 0; i < GRAPH_COLUMNS; i++) bytes_append_char(&b, '-');
    bytes_append_char(&b, '\n');
    append_graph(&b, t, low, high);
    reply_verbatim(&x->r, "txt", b.p, b.n);
    bytes_release(&b);
    return 0;
}

/* ---------------------------------------------------------------- DOCTOR */

static int cmd_latency_doctor(struct call *x) {
    struct bytes b = {0};

    doctor_latency(x->e, &b);
    reply_verbatim(&x->r, "txt", b.p, b.n);
    bytes_release(&b);
    return 0;
}

/* ---------------------------------------------------------------- HISTOGRAM */

static void reply_histogram(struct call *x, const struct command_slot *c) {
    uint64_t counts[OBSERVE_OCTAVES] = {0}, total = 0;
    size_t n = 0;

    for (int i = 0; i < OBSERVE_BUCKETS; i++) counts[i / OBSERVE_PARTS] += c->latency[i];
    for (int i = 0; i < OBSERVE_OCTAVES; i++) n += counts[i] > 0;
    reply_bulk_str(&x->r, c->name);
    reply_map(&x->r, 2);
    reply_bulk_str(&x->r, "calls");
    reply_int(&x->r, (int64_t)c->calls);
    reply_bulk_str(&x->r, "histogram_usec");
    reply_map(&x->r, n);
    for (int i = 0; i < OBSERVE_OCTAVES; i++) {
        if (counts[i] == 0) continue;
        total += counts[i];
        reply_int(&x->r, observe_octave_us(i));
        reply_int(&x->r, (int64_t)total);
    }
}

/* The command and its subcommands, as far as they were called; only counts if not `show`. */
static size_t each_histogram(struct call *x, const struct command_slot *c, bool show) {
    size_t n = 0;

    if (c->latency && c->calls > 0) {
        n++;
        if (show) reply_histogram(x, c);
    }
    for (unsigned i = 0; i < c->nsub; i++) n += each_histogram(x, &c->sub[i], show);
    return n;
}

/* "config", "config|get"; NULL: unknown. */
static const struct command_slot *slot_of(const struct call *x, struct slice name) {
    const char *bar = memchr(name.p, '|', name.n);
    size_t n = bar ? (size_t)(bar - name.p) : name.n;
    struct slice words[2] = {slice_of(name.p, n), {0}};
    bool unknown_sub;
    const struct command_slot *c;

    if (bar) words[1] = slice_of(bar + 1, name.n - n - 1);
    c = command_resolve(&x->e->commands, bar ? 2 : 1, words, &unknown_sub);
    return unknown_sub || (bar && c && !c->parent) ? NULL : c;
}

static size_t each_asked(struct call *x, bool show) {
    const struct command_registry *all = &x->e->commands;
    size_t n = 0;

    if (x->argc == 2)
        for (unsigned i = 0; i < all->n; i++) n += each_histogram(x, &all->slots[i], show);
    for (int i = 2; i < x->argc; i++) {
        const struct command_slot *c = slot_of(x, x->argv[i]);

        if (c) n += each_histogram(x, c, show);
    }
    return n;
}

static int cmd_latency_histogram(struct call *x) {
    reply_map(&x->r, each_asked(x, false));
    each_asked(x, true);
    return 0;
}

/* ---------------------------------------------------------------- rows */

static int cmd_latency_help(struct call *x) {
    static const char *const lines[] = {
        "DOCTOR",
        "    What took long, and what may help.",
        "GRAPH <event>",
        "    How long <event> took, drawn with characters.",
        "HISTOGRAM [<command> ...]",
        "    For each command how many calls took up to how many microseconds.",
        "HISTORY <event>",
        "    Times and milliseconds of <event>.",
        "LATEST",
        "    For each event when it was last noted, how long it took, and the worst ever.",
        "RESET [<event> ...]",
        "    Forget these events, or all; says how many that were.",
        NULL,
    };

    reply_help(x, lines);
    return 0;
}

#define ALL_NODES "nondeterministic_output request_policy:all_nodes response_policy:special"

/* clang-format off */
static const struct command latency_subcommands[] = {
    {"doctor", 2, CMD_OPERATOR, "server", {0, 0, 0}, cmd_latency_doctor, "2.8.13",
     "Explains in words which events took long.", .tips = ALL_NODES},
    {"graph", 3, CMD_OPERATOR, "server", {0, 0, 0}, cmd_latency_graph, "2.8.13",
     "Draws how long an event took.",
     .grammar = "event",
     .tips = ALL_NODES},
    {"help", 2, CMD_HELP, "server", {0, 0, 0}, cmd_latency_help, "2.8.13",
     "Explains the subcommands."},
    {"histogram", -2, CMD_OPERATOR, "server", {0, 0, 0}, cmd_latency_histogram, "7.0.0",
     "Returns the distribution of the times that commands take.",
     .grammar = "[command+]",
     .tips = ALL_NODES},
    {"history", 3, CMD_OPERATOR, "server", {0, 0, 0}, cmd_latency_history, "2.8.13",
     "Lists how long an event took.",
     .grammar = "event",
     .tips = ALL_NODES},
    {"latest", 2, CMD_OPERATOR, "server", {0, 0, 0}, cmd_latency_latest, "2.8.13",
     "Lists the newest sample of each event.", .tips = ALL_NODES},
    {"reset", -2, CMD_OPERATOR, "server", {0, 0, 0}, cmd_latency_reset, "2.8.13",
     "Forgets events.",
     .grammar = "[event+]",
     .tips = "request_policy:all_nodes response_policy:agg_sum"},
    {0},
};

const struct command latency_commands[] = {
    {"latency", -2, 0, "server", {0, 0, 0}, NULL, "2.8.13",
     "The commands about what takes long.", .subcommands = latency_subcommands},
    {0},
};
/* clang-format on */
