/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/double/journal.h"

#include "server/double/journal_reply.h"
#include "server/exec/keyspec.h"
#include "server/exec/secret.h"
#include "storage/base/glob.h"
#include "storage/base/mem.h"

enum { ENTRY_BYTES_MAX = 1024 * 1024, ARG_BYTES_MAX = 64 * 1024, KEYS_MAX = 1024 };

struct journaled {
    struct list link;    /* in journal.entries */
    struct list waiting; /* in journal.waiting, while its client is blocked */
    int64_t at_ms;       /* wall clock, when it was received */
    uint64_t client, us;
    uint64_t began_ns; /* for a client that waits */
    int db, argc;
    size_t bytes;       /* what the entry takes */
    struct slice *argv; /* own copy */
    char *name;         /* the client's, NULL: none */
    char *reply;        /* the kind of the reply, or the text of an error */
};

#define entry_at(it) list_entry(it, struct journaled, link)

/* ---------------------------------------------------------------- keeping */

void journal_init(struct journal *j) {
    *j = (struct journal){0};
    list_init(&j->entries);
    list_init(&j->waiting);
}

static void drop(struct journal *j, struct journaled *t) {
    list_remove(&t->link);
    list_remove(&t->waiting);
    j->n--;
    j->bytes -= t->bytes;
    mem_free(t->argv);
    mem_free(t->name);
    mem_free(t->reply);
    mem_free(t);
}

void journal_clear(struct journal *j) {
    while (!list_empty(&j->entries)) drop(j, entry_at(j->entries.next));
    j->dropped = 0;
}

void journal_start(struct journal *j) {
    if (!j->on) j->depth = 0;
    j->on = true;
}

void journal_stop(struct journal *j) {
    j->on = false;
}

static void make_room(struct journal *j, size_t bytes) {
    while (j->n > 0 && (j->n >= JOURNAL_ENTRIES_MAX || j->bytes + bytes > JOURNAL_BYTES_MAX)) {
        drop(j, entry_at(j->entries.next));
        j->dropped++;
    }
}

/* ---------------------------------------------------------------- recording */

/* The arguments as they are kept: long ones cut, and no more than ENTRY_BYTES_MAX in all. `note`
 * says what was left out. Returns how many there are. */
static int shown_args(const struct call *x, struct slice *argv, struct bytes *note) {
    size_t bytes = 0;
    int n = 0;

    while (n < x->argc && bytes < ENTRY_BYTES_MAX) {
        argv[n] = arg_shown(x, n);
        if (argv[n].n > ARG_BYTES_MAX) argv[n].n = ARG_BYTES_MAX;
        bytes += argv[n++].n + sizeof *argv;
    }
    if (n == x->argc) return n;
    bytes_printf(note, "... (%d more arguments)", x->argc - n);
    argv[n++] = bytes_slice(note);
    return n;
}

static void copy_args(struct journaled *t, const struct call *x) {
    struct slice *argv = mem_alloc(((size_t)x->argc + 1) * sizeof *argv);
    struct bytes note = {0};

    t->argc = shown_args(x, argv, &note);
    t->argv = args_copy(t->argc, argv);
    for (int i = 0; i < t->argc; i++) t->bytes += argv[i].n + sizeof *argv;
    bytes_release(&note);
    mem_free(argv);
}

void journal_before(struct journal *j) {
    if (j->depth < JOURNAL_NESTED) j->began_ns[j->depth] = clock_real_ns();
    j->depth++;
}

/* When the command under way began. The journal may have been started since: then it is now. */
static uint64_t take_began(struct journal *j) {
    if (j->depth == 0) return clock_real_ns();
    j->depth--;
    return j->depth < JOURNAL_NESTED ? j->began_ns[j->depth] : clock_real_ns();
}

static uint64_t us_since(uint64_t ns) {
    return (clock_real_ns() - ns) / 1000;
}

void journal_after(struct journal *j, struct call *x, uint64_t from) {
    struct journaled *t;
    uint64_t began_ns = take_began(j);

    if (!j->on) return;
    secret_hide(x); /* the command may have been refused before its handler could do so */
    t = mem_calloc(sizeof *t);
    list_init(&t->waiting);
    t->bytes = sizeof *t;
    t->at_ms = x->now_ms;
    t->client = x->s->id;
    t->db = x->db->id;
    t->began_ns = began_ns;
    t->us = us_since(began_ns);
    if (x->s->name) t->name = mem_strdup(x->s->name);
    copy_args(t, x);
    t->reply = journal_reply_kind(&x->s->out, from);
    make_room(j, t->bytes);
    list_append(&j->entries, &t->link);
    if (x->waits) list_append(&j->waiting, &t->waiting);
    j->n++;
    j->bytes += t->bytes;
}

void journal_answered(struct journal *j, const struct session *s, uint64_t from) {
    list_each (it, &j->waiting) {
        struct journaled *t = list_entry(it, struct journaled, waiting);

        if (t->client != s->id) continue;
        list_remove(&t->waiting);
        mem_free(t->reply);
        t->reply = journal_reply_kind(&s->out, from);
        t->us = us_since(t->began_ns);
        return;
    }
}

/* ---------------------------------------------------------------- asking */

/* What an entry has to fit; a part whose p is NULL fits all. */
struct filter {
    struct slice command, key, client, reply;
    int64_t limit; /* the newest so many; -1: all */
};

static bool parse_filter(struct call *x, int at, struct filter *f) {
    *f = (struct filter){.limit = -1};
    for (; at < x->argc; at += 2) {
        bool last = at + 1 == x->argc;

        if (!last && arg_is(x, at, "limit")) {
            if (!arg_int_range(x, at + 1, 0, INT64_MAX, &f->limit,
                               "ERR LIMIT is not a count of entries"))
                return false;
        } else if (!last && arg_is(x, at, "command")) {
            f->command = x->argv[at + 1];
        } else if (!last && arg_is(x, at, "key")) {
            f->key = x->argv[at + 1];
        } else if (!last && arg_is(x, at, "client")) {
            f->client = x->argv[at + 1];
        } else if (!last && arg_is(x, at, "reply")) {
            f->reply = x->argv[at + 1];
        } else {
            reply_err(x, ERR_SYNTAX);
            return false;
        }
    }
    return true;
}

static struct command_slot *command_of(const struct engine *e, const struct journaled *t) {
    bool unknown_sub;

    return command_resolve(&e->commands, t->argc, t->argv, &unknown_sub);
}

/* "config" fits all of CONFIG, "config|get" one subcommand. An unknown command fits its word. */
static bool fits_command(const struct engine *e, const struct journaled *t, struct slice pattern) {
    const struct command_slot *c = command_of(e, t);

    if (glob_match(pattern, t->argv[0], true)) return true;
    return c && glob_match(pattern, slice_str(c->name), true);
}

static bool fits_key(const struct engine *e, const struct journaled *t, struct slice pattern) {
    const struct command_slot *c = command_of(e, t);
    struct key_use *keys;
    bool fits = false;
    int n;

    if (!c || !command_arity_ok(c->row, t->argc)) return false;
    keys = mem_alloc(KEYS_MAX * sizeof *keys);
    n = keyspec_keys(c->row, t->argc, t->argv, keys, KEYS_MAX);
    if (n > KEYS_MAX) n = KEYS_MAX;
    for (int i = 0; i < n && !fits; i++)
        fits = keys[i].at < t->argc && glob_match(pattern, t->argv[keys[i].at], false);
    mem_free(keys);
    return fits;
}

static bool fits(const struct engine *e, const struct journaled *t, const struct filter *f) {
    if (f->client.p && !glob_match(f->client, slice_str(t->name ? t->name : ""), false))
        return false;
    if (f->reply.p && !glob_match(f->reply, slice_str(t->reply), true)) return false;
    if (f->command.p && !fits_command(e, t, f->command)) return false;
    return !f->key.p || fits_key(e, t, f->key);
}

/* The entries that fit, the newest `limit`, in `found`, the newest first. */
static size_t find(const struct journal *j, const struct engine *e, const struct filter *f,
                   struct journaled **found) {
    uint64_t limit = f->limit < 0 ? UINT64_MAX : (uint64_t)f->limit;
    size_t n = 0;

    for (struct list *it = j->entries.prev; it != &j->entries && n < limit; it = it->prev) {
        struct journaled *t = entry_at(it);

        if (!fits(e, t, f)) continue;
        if (found) found[n] = t;
        n++;
    }
    return n;
}

static void reply_entry(struct reply *r, const struct journaled *t) {
    reply_map(r, 7);
    reply_bulk_str(r, "at");
    reply_int(r, t->at_ms);
    reply_bulk_str(r, "client");
    reply_int(r, (int64_t)t->client);
    reply_bulk_str(r, "name");
    reply_bulk_str(r, t->name ? t->name : "");
    reply_bulk_str(r, "db");
    reply_int(r, t->db);
    reply_bulk_str(r, "command");
    reply_array(r, (size_t)t->argc);
    for (int i = 0; i < t->argc; i++) reply_bulk(r, t->argv[i].p, t->argv[i].n);
    reply_bulk_str(r, "us");
    reply_int(r, (int64_t)t->us);
    reply_bulk_str(r, "reply");
    reply_bulk_str(r, t->reply);
}

static int get(const struct journal *j, struct call *x) {
    struct journaled **found;
    struct filter f;
    size_t n;

    if (!parse_filter(x, 3, &f)) return -1;
    found = mem_alloc((j->n + 1) * sizeof *found);
    n = find(j, x->e, &f, found);
    reply_array(&x->r, n);
    while (n > 0) reply_entry(&x->r, found[--n]);
    mem_free(found);
    return 0;
}

static int count(const struct journal *j, struct call *x) {
    struct filter f;

    if (!parse_filter(x, 3, &f)) return -1;
    reply_int(&x->r, (int64_t)find(j, x->e, &f, NULL));
    return 0;
}

static int info(const struct journal *j, struct call *x) {
    reply_map(&x->r, 4);
    reply_bulk_str(&x->r, "on");
    reply_int(&x->r, j->on);
    reply_bulk_str(&x->r, "entries");
    reply_int(&x->r, (int64_t)j->n);
    reply_bulk_str(&x->r, "bytes");
    reply_int(&x->r, (int64_t)j->bytes);
    reply_bulk_str(&x->r, "dropped");
    reply_int(&x->r, (int64_t)j->dropped);
    return 0;
}

int journal_command(struct journal *j, struct call *x) {
    if (x->argc > 2 && arg_is(x, 2, "get")) return get(j, x);
    if (x->argc > 2 && arg_is(x, 2, "count")) return count(j, x);
    if (x->argc != 3) return reply_err(x, ERR_SYNTAX);
    if (arg_is(x, 2, "info")) return info(j, x);
    if (arg_is(x, 2, "start"))
        journal_start(j);
    else if (arg_is(x, 2, "stop"))
        journal_stop(j);
    else if (arg_is(x, 2, "clear"))
        journal_clear(j);
    else
        return reply_err(x, ERR_SYNTAX);
    reply_ok(&x->r);
    return 0;
}
