/* SPDX-License-Identifier: BSD-3-Clause
 *
 * fault - TEST FAULT: which command or connection fails, and how. What a fault does is effect.c's.
 */
#include "server/double/impl.h"
#include "server/exec/keyspec.h"
#include "storage/base/glob.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"
#include "storage/base/rng.h"

#include <inttypes.h>
#include <math.h>
#include <strings.h>

bool faults_are_there(const struct test_double *d) {
    return !list_empty(&d->faults);
}

/* ---------------------------------------------------------------- which one */

/* "get", "config|get", or "config" for all of its subcommands. An unknown command has no name. */
static bool is_command(const char *name, const struct call *x) {
    const struct command_slot *c = x->cmd;

    if (!c) return slice_is(x->argv[0], name);
    return strcasecmp(c->name, name) == 0 || (c->parent && strcasecmp(c->parent->name, name) == 0);
}

enum { KEYS_LOOKED_AT = 1024 };

static bool has_key(const char *pattern, const struct call *x) {
    struct key_use keys[KEYS_LOOKED_AT];
    int n;

    if (!x->cmd || !command_arity_ok(x->cmd->row, x->argc)) return false;
    n = keyspec_keys(x->cmd->row, x->argc, x->argv, keys, KEYS_LOOKED_AT);
    if (n > KEYS_LOOKED_AT) n = KEYS_LOOKED_AT;
    for (int i = 0; i < n; i++)
        if (glob_match(slice_str(pattern), x->argv[keys[i].at], false)) return true;
    return false;
}

static bool has_name(const char *pattern, const struct session *s) {
    return glob_match(slice_str(pattern), slice_str(s->name ? s->name : ""), false);
}

/* It fits; whether it acts. */
static bool hits(struct fault *f) {
    f->seen++;
    if (f->seen <= f->after || (f->times && f->hits >= f->times)) return false;
    if (f->probability < 1 && (double)rng_below(1u << 30) >= f->probability * (1u << 30))
        return false;
    f->hits++;
    return true;
}

const struct fault *fault_for(struct test_double *d, struct call *x) {
    list_each (it, &d->faults) {
        struct fault *f = list_entry(it, struct fault, link);

        if (f->at_accept || (f->command && !is_command(f->command, x))) continue;
        if (f->client && !has_name(f->client, x->s)) continue;
        if (f->key && !has_key(f->key, x)) continue;
        if (hits(f)) return f;
    }
    return NULL;
}

const struct fault *fault_for_connection(struct test_double *d, const struct session *s) {
    (void)s;
    list_each (it, &d->faults) {
        struct fault *f = list_entry(it, struct fault, link);

        if (f->at_accept && hits(f)) return f;
    }
    return NULL;
}

/* ---------------------------------------------------------------- reading one */

static char *copy_word(struct slice s) {
    char *p = mem_alloc(s.n + 1);

    memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return p;
}

static void set_word(char **to, struct slice s) {
    mem_free(*to);
    *to = copy_word(s);
}

static void free_fault(struct fault *f) {
    mem_free(f->name);
    mem_free(f->command);
    mem_free(f->key);
    mem_free(f->client);
    mem_free(f->text);
    mem_free(f->shown);
    mem_free(f);
}

/* The arguments from `at` on, one after the other. */
struct words {
    struct call *x;
    int at;
};

static bool word_is(const struct words *w, const char *word) {
    return w->at < w->x->argc && arg_is(w->x, w->at, word);
}

static bool takes(struct words *w, const char *word, int arguments) {
    if (!word_is(w, word) || w->at + arguments >= w->x->argc) return false;
    w->at++;
    return true;
}

static bool take_count(struct words *w, int64_t min, int64_t *n) {
    return arg_int_range(w->x, w->at++, min, INT64_C(1) << 40, n, ERR_NOT_INT);
}

static bool take_probability(struct words *w, double *p) {
    struct slice s = w->x->argv[w->at++];

    if (num_parse_double(s.p, s.n, p) && *p >= 0 && *p <= 1) return true;
    reply_err(w->x, "ERR the probability must be between 0 and 1");
    return false;
}

/* 1: an option was read; 0: the next word is none; -1: an error was answered. */
static int take_option(struct words *w, struct fault *f) {
    int64_t n;

    if (takes(w, "name", 1)) {
        set_word(&f->name, w->x->argv[w->at++]);
    } else if (takes(w, "command", 1)) {
        set_word(&f->command, w->x->argv[w->at++]);
    } else if (takes(w, "key", 1)) {
        set_word(&f->key, w->x->argv[w->at++]);
    } else if (takes(w, "client", 1)) {
        set_word(&f->client, w->x->argv[w->at++]);
    } else if (takes(w, "accept", 0)) {
        f->at_accept = true;
    } else if (takes(w, "after", 1)) {
        if (!take_count(w, 0, &n)) return -1;
        f->after = (uint64_t)n;
    } else if (takes(w, "times", 1)) {
        if (!take_count(w, 1, &n)) return -1;
        f->times = (uint64_t)n;
    } else if (takes(w, "probability", 1)) {
        if (!take_probability(w, &f->probability)) return -1;
    } else {
        return 0;
    }
    return 1;
}

static bool take_error(struct words *w, struct fault *f) {
    struct slice text = w->x->argv[w->at++];

    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == '\r' || text.p[i] == '\n') {
            reply_err(w->x, "ERR an error is one line");
            return false;
        }
    f->effect.kind = EFFECT_ERROR;
    set_word(&f->text, text);
    return true;
}

static bool take_numbers(struct words *w, struct effect *e, enum effect_kind kind, int64_t *a,
                         int64_t *b) {
    e->kind = kind;
    return take_count(w, 0, a) && (!b || take_count(w, 1, b));
}

static bool take_delay(struct words *w, struct effect *e) {
    if (!take_numbers(w, e, EFFECT_DELAY, &e->ms, NULL)) return false;
    return !takes(w, "jitter", 1) || take_count(w, 0, &e->n);
}

static bool take_plain(struct effect *e, enum effect_kind kind) {
    e->kind = kind;
    return true;
}

/* False: an error was answered. */
static bool take_effect(struct words *w, struct fault *f) {
    struct effect *e = &f->effect;

    if (takes(w, "delay", 1)) return take_delay(w, e);
    if (f->at_accept) {
        if (takes(w, "refuse", 0)) return take_plain(e, EFFECT_REFUSE);
    } else {
        if (takes(w, "error", 1)) return take_error(w, f);
        if (takes(w, "hang", 0)) return take_plain(e, EFFECT_HANG);
        if (takes(w, "reset", 0)) return take_plain(e, EFFECT_RESET);
        if (takes(w, "drop", 0)) return take_plain(e, EFFECT_DROP);
        if (takes(w, "half", 1)) return take_numbers(w, e, EFFECT_HALF, &e->n, NULL);
        if (takes(w, "rate", 1)) {
            e->kind = EFFECT_RATE;
            return take_count(w, 1, &e->n);
        }
        if (takes(w, "slice", 2)) return take_numbers(w, e, EFFECT_SLICE, &e->n, &e->ms);
        if (takes(w, "close", 1) && takes(w, "before", 0))
            return take_plain(e, EFFECT_CLOSE_BEFORE);
        if (takes(w, "after", 0)) return take_plain(e, EFFECT_CLOSE_AFTER);
    }
    reply_err(w->x, ERR_SYNTAX);
    return false;
}

static bool read_fault(struct words *w, struct fault *f) {
    int rc;

    while ((rc = take_option(w, f)) > 0) continue;
    if (rc < 0 || !take_effect(w, f)) return false;
    if (w->at < w->x->argc || (f->at_accept && (f->command || f->key || f->client))) {
        reply_err(w->x, ERR_SYNTAX);
        return false;
    }
    if (f->effect.kind == EFFECT_SLICE && f->effect.n == 0) f->effect.n = 1;
    return true;
}

/* ---------------------------------------------------------------- the words */

static struct fault *find(struct test_double *d, struct slice name) {
    list_each (it, &d->faults) {
        struct fault *f = list_entry(it, struct fault, link);

        if (name.n == strlen(f->name) && memcmp(f->name, name.p, name.n) == 0) return f;
    }
    return NULL;
}

static void remove_fault(struct fault *f) {
    list_remove(&f->link);
    free_fault(f);
}

static size_t clear(struct test_double *d) {
    size_t n = 0;

    list_each_safe (it, next, &d->faults) {
        remove_fault(list_entry(it, struct fault, link));
        n++;
    }
    return n;
}

void faults_clear(struct test_double *d) {
    clear(d);
}

/* As it was given, but for the name. */
static char *shown(const struct call *x) {
    struct bytes b = {0};
    char *text;

    for (int i = 3; i < x->argc; i++) {
        if (arg_is(x, i, "name") && i + 1 < x->argc) {
            i++;
            continue;
        }
        if (b.n) bytes_append_char(&b, ' ');
        bytes_append(&b, x->argv[i].p, x->argv[i].n);
    }
    text = mem_strdup(bytes_cstr(&b));
    bytes_release(&b);
    return text;
}

static void give_name(struct test_double *d, struct fault *f) {
    char name[40];

    do {
        snprintf(name, sizeof name, "fault-%" PRIu64, ++d->nfaults_named);
    } while (find(d, slice_str(name)));
    f->name = mem_strdup(name);
}

/* One of the same name takes its place. */
static int add(struct call *x) {
    struct test_double *d = x->e->test_double;
    struct fault *f = mem_calloc(sizeof *f), *old;

    f->probability = 1;
    if (!read_fault(&(struct words){x, 3}, f)) {
        free_fault(f);
        return -1;
    }
    if (!f->name) give_name(d, f);
    f->shown = shown(x);
    old = find(d, slice_str(f->name));
    if (old) remove_fault(old);
    list_append(&d->faults, &f->link);
    double_look(d);
    reply_bulk_str(&x->r, f->name);
    return 0;
}

static int list_all(struct call *x) {
    struct test_double *d = x->e->test_double;
    size_t n = 0;

    list_each (it, &d->faults) n++;
    reply_array(&x->r, n);
    list_each (it, &d->faults) {
        const struct fault *f = list_entry(it, struct fault, link);

        reply_map(&x->r, 4);
        reply_bulk_str(&x->r, "name");
        reply_bulk_str(&x->r, f->name);
        reply_bulk_str(&x->r, "fault");
        reply_bulk_str(&x->r, f->shown);
        reply_bulk_str(&x->r, "seen");
        reply_int(&x->r, (int64_t)f->seen);
        reply_bulk_str(&x->r, "hits");
        reply_int(&x->r, (int64_t)f->hits);
    }
    return 0;
}

static int remove_named(struct call *x) {
    struct fault *f = find(x->e->test_double, x->argv[3]);

    if (f) remove_fault(f);
    double_look(x->e->test_double);
    reply_int(&x->r, f != NULL);
    return 0;
}

int test_fault(struct call *x) {
    if (arg_is(x, 2, "add") && x->argc > 3) return add(x);
    if (arg_is(x, 2, "list") && x->argc == 3) return list_all(x);
    if (arg_is(x, 2, "remove") && x->argc == 4) return remove_named(x);
    if (!arg_is(x, 2, "clear") || x->argc != 3) return reply_err(x, ERR_SYNTAX);
    reply_int(&x->r, (int64_t)clear(x->e->test_double));
    double_look(x->e->test_double);
    return 0;
}
