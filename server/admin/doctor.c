/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/admin/doctor.h"

#include "server/admin/rows.h"
#include "server/exec/acl_user.h"
#include "storage/base/num.h"

typedef unsigned long long ull;

void doctor_size(struct bytes *out, uint64_t bytes) {
    char text[32];

    num_format_human(text, bytes);
    bytes_append_str(out, text);
}

/* ---------------------------------------------------------------- what writes so much? */

enum { TOP = 3 };

struct top_commands {
    const struct command_slot *c[TOP]; /* by calls, the most first */
    uint64_t calls;                    /* of all commands that write */
};

static void count_commands(const struct command_slot *slots, unsigned n, struct top_commands *t) {
    for (unsigned i = 0; i < n; i++) {
        const struct command_slot *c = &slots[i];

        count_commands(c->sub, c->nsub, t);
        if (!c->calls || !(c->row->flags & CMD_WRITE)) continue;
        t->calls += c->calls;
        for (int k = 0; k < TOP && c; k++) {
            const struct command_slot *other = t->c[k];

            if (other && other->calls >= c->calls) continue;
            t->c[k] = c;
            c = other;
        }
    }
}

static void tell_commands(const struct engine *e, struct bytes *out) {
    struct top_commands t = {.calls = 0};

    count_commands(e->commands.slots, e->commands.n, &t);
    bytes_printf(out,
                 "%llu commands that write were called since the start or CONFIG RESETSTAT. The "
                 "position of the AOF is %llu (bytes ever appended).\n",
                 (ull)t.calls, (ull)aof_appended(e->aof));
    for (int k = 0; k < TOP && t.c[k]; k++)
        bytes_printf(out, "%d. %s: %llu calls (%.0f %%), %llu us on average.\n", k + 1,
                     t.c[k]->name, (ull)t.c[k]->calls,
                     (double)t.c[k]->calls * 100 / (double)t.calls,
                     (ull)(t.c[k]->ns / t.c[k]->calls / 1000));
}

struct top_sessions {
    const struct session *s[TOP]; /* by bytes received, the most first */
};

static void count_sessions(const struct engine *e, struct top_sessions *t) {
    list_each (it, &e->sessions) {
        const struct session *s = list_entry(it, struct session, link);

        if (s->flags & SESSION_REPLICA) continue;
        for (int k = 0; k < TOP && s; k++) {
            const struct session *other = t->s[k];

            if (other && other->bytes_in >= s->bytes_in) continue;
            t->s[k] = s;
            s = other;
        }
    }
}

static void tell_sessions(const struct engine *e, struct bytes *out) {
    struct top_sessions t = {{NULL}};

    count_sessions(e, &t);
    bytes_append_str(out, "The clients, of those connected now, that have sent most:\n");
    for (int k = 0; k < TOP && t.s[k]; k++) {
        const struct session *s = t.s[k];
        struct session_wire w;

        s->ops->describe(s, &w);
        bytes_printf(out, "%d. %s, id %llu, name '%s', user ", k + 1, w.addr, (ull)s->id,
                     s->name ? s->name : "");
        bytes_append_quoted(out, slice_str(s->user->name));
        bytes_printf(out, ": %llu bytes, %llu commands, the last one %s.\n", (ull)s->bytes_in,
                     (ull)s->commands, s->last_cmd ? s->last_cmd->name : "none");
    }
}

void doctor_writes(struct engine *e, struct bytes *out) {
    tell_commands(e, out);
    tell_sessions(e, out);
    bytes_append_str(out, "- CONFIG RESETSTAT begins to count anew. CLIENT KILL ID ends a client, "
                          "ACL SETUSER takes a command from a user, CLIENT PAUSE ... WRITE stops "
                          "all writes.\n");
}

/* ---------------------------------------------------------------- DOCTOR */

static const struct {
    const char *word, *question;
    void (*answer)(struct engine *e, struct bytes *out);
} parts[] = {
    {"safety", "Is my data safe, and what would I lose now?", doctor_safety},
    {"memory", "Why is memory high?", doctor_memory},
    {"writes", "What writes so much?", doctor_writes},
    {"latency", "Why was it slow?", doctor_latency},
};

enum { PARTS = sizeof parts / sizeof *parts };

static int cmd_doctor(struct call *x) {
    struct bytes b = {0};
    bool found = x->argc == 1;

    if (x->argc > 2) return reply_err(x, ERR_SYNTAX);
    for (int i = 0; i < PARTS; i++) found |= x->argc == 2 && arg_is(x, 1, parts[i].word);
    if (!found) return reply_err(x, ERR_SYNTAX);
    for (int i = 0; i < PARTS; i++) {
        if (x->argc == 2 && !arg_is(x, 1, parts[i].word)) continue;
        bytes_printf(&b, "%s%s\n", b.n ? "\n" : "", parts[i].question);
        parts[i].answer(x->e, &b);
    }
    reply_verbatim(&x->r, "txt", b.p, b.n);
    bytes_release(&b);
    return 0;
}

/* clang-format off */
const struct command doctor_commands[] = {
    {"doctor", -1, CMD_OPERATOR, "server", {0, 0, 0}, cmd_doctor, "7.2.0",
     "Answers in words, with figures: what a crash would lose, what takes memory, writes, and time.",
     .grammar = "[part(SAFETY|MEMORY|WRITES|LATENCY)]",
     .tips = "nondeterministic_output request_policy:all_nodes response_policy:special"},
    {0},
};
/* clang-format on */
