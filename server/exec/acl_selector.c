/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/acl_selector.h"

#include "server/exec/category.h"
#include "storage/base/check.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"

#include <ctype.h>

#define ERR_AFTER_ALL_KEYS                                                                         \
    "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have " \
    "any effect. Try 'resetkeys' to start with an empty list of patterns"
#define ERR_AFTER_ALL_CHANNELS                                                                     \
    "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not "  \
    "have any effect. Try 'resetchannels' to start with an empty list of channels"
#define ERR_FIRST_ARG_OF_SUB "Allowing first-arg of a subcommand is not supported"

static char *dup_slice(struct slice s) {
    char *p = mem_alloc(s.n + 1);

    if (s.n) memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return p;
}

bool acl_is_word(struct slice text) {
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == '\0' || isspace((unsigned char)text.p[i])) return false;
    return true;
}

/* ---------------------------------------------------------------- commands by name */

struct bytes acl_command_name(const struct command_slot *cmd) {
    struct bytes b = {0};

    if (cmd->parent) bytes_printf(&b, "%s|", cmd->parent->row->name);
    bytes_append_str(&b, cmd->row->name);
    bytes_cstr(&b);
    return b;
}

struct command_slot *acl_find_command(const struct command_registry *r, struct slice name) {
    const char *bar = name.n ? memchr(name.p, '|', name.n) : NULL;
    struct slice top = {name.p, bar ? (size_t)(bar - name.p) : name.n}, sub;

    for (unsigned i = 0; i < r->n; i++) {
        struct command_slot *s = &r->slots[i];

        if (!slice_is(top, s->row->name) || s->row->flags & CMD_INTERNAL) continue;
        if (!bar) return s;
        sub = slice_of(bar + 1, name.n - top.n - 1);
        for (unsigned k = 0; k < s->nsub; k++)
            if (slice_is(sub, s->sub[k].row->name)) return &s->sub[k];
        return NULL;
    }
    return NULL;
}

/* ---------------------------------------------------------------- begin and end */

static void clear_patterns(struct acl_patterns *p) {
    for (size_t i = 0; i < p->n; i++) mem_free(p->v[i].glob);
    mem_free(p->v);
    *p = (struct acl_patterns){0};
}

static void clear_commands(struct acl_selector *s) {
    for (size_t i = 0; i < s->nrules; i++) mem_free(s->rules[i]);
    for (size_t i = 0; i < s->nfirst_args; i++) mem_free(s->first_args[i].word);
    mem_free(s->rules);
    mem_free(s->first_args);
    s->rules = NULL;
    s->first_args = NULL;
    s->nrules = s->nfirst_args = 0;
}

struct acl_selector *acl_selector_new(const struct acl_terms *terms) {
    struct acl_selector *s = mem_calloc(sizeof *s);

    s->channels.all = terms->all_channels;
    s->dbs.all = true;
    return s;
}

static void copy_patterns(struct acl_patterns *to, const struct acl_patterns *from) {
    *to = (struct acl_patterns){.n = from->n, .all = from->all};
    if (from->n) to->v = mem_alloc(from->n * sizeof *to->v);
    for (size_t i = 0; i < from->n; i++)
        to->v[i] = (struct acl_pattern){mem_strdup(from->v[i].glob), from->v[i].access};
}

struct acl_selector *acl_selector_copy(const struct acl_selector *from) {
    struct acl_selector *s = mem_dup(from, sizeof *from);

    s->rules = NULL; /* there may be room without anything in it */
    s->first_args = NULL;
    if (s->nrules) s->rules = mem_alloc(s->nrules * sizeof *s->rules);
    for (size_t i = 0; i < s->nrules; i++) s->rules[i] = mem_strdup(from->rules[i]);
    if (s->nfirst_args) s->first_args = mem_alloc(s->nfirst_args * sizeof *s->first_args);
    for (size_t i = 0; i < s->nfirst_args; i++)
        s->first_args[i] =
            (struct acl_first_arg){from->first_args[i].id, mem_strdup(from->first_args[i].word)};
    copy_patterns(&s->keys, &from->keys);
    copy_patterns(&s->channels, &from->channels);
    acl_dbs_copy(&s->dbs, &from->dbs);
    return s;
}

void acl_selector_free(struct acl_selector *s) {
    if (!s) return;
    clear_commands(s);
    clear_patterns(&s->keys);
    clear_patterns(&s->channels);
    acl_dbs_set_all(&s->dbs, false);
    mem_free(s);
}

/* ---------------------------------------------------------------- the list of rules */

/* What the rule "get" or "config" says anew: itself, and the subcommands of it. */
static bool is_overridden(const char *old, const char *rule) {
    size_t n = strlen(rule);

    return strncmp(old + 1, rule, n) == 0 && (old[1 + n] == '\0' || old[1 + n] == '|');
}

/* Takes the place of the rules that this one makes meaningless. `rule` without its sign. */
static void note_rule(struct acl_selector *s, struct slice rule, bool allow) {
    char *text = mem_alloc(rule.n + 2);
    size_t kept = 0;

    text[0] = allow ? '+' : '-';
    for (size_t i = 0; i < rule.n; i++) text[i + 1] = (char)tolower((unsigned char)rule.p[i]);
    text[rule.n + 1] = '\0';
    for (size_t i = 0; i < s->nrules; i++) {
        if (is_overridden(s->rules[i], text + 1))
            mem_free(s->rules[i]);
        else
            s->rules[kept++] = s->rules[i];
    }
    s->rules = mem_realloc(s->rules, (kept + 1) * sizeof *s->rules);
    s->rules[kept] = text;
    s->nrules = kept + 1;
}

static void allow_all(struct acl_selector *s, bool all) {
    clear_commands(s);
    memset(s->commands, all ? 0xff : 0, sizeof s->commands);
    s->from_all = all;
}

/* ---------------------------------------------------------------- commands */

static void forget_first_args(struct acl_selector *s, unsigned id) {
    size_t kept = 0;

    for (size_t i = 0; i < s->nfirst_args; i++) {
        if (s->first_args[i].id == id)
            mem_free(s->first_args[i].word);
        else
            s->first_args[kept++] = s->first_args[i];
    }
    s->nfirst_args = kept;
}

/* The command and all its subcommands. */
static void set_command(struct acl_selector *s, const struct command_slot *cmd, bool allow) {
    uint64_t bit = UINT64_C(1) << cmd->id % 64;

    if (allow)
        s->commands[cmd->id / 64] |= bit;
    else
        s->commands[cmd->id / 64] &= ~bit;
    forget_first_args(s, cmd->id);
    for (unsigned i = 0; i < cmd->nsub; i++) set_command(s, &cmd->sub[i], allow);
}

static void add_first_arg(struct acl_selector *s, unsigned id, struct slice word) {
    for (size_t i = 0; i < s->nfirst_args; i++)
        if (s->first_args[i].id == id && slice_is(word, s->first_args[i].word)) return;
    s->first_args = mem_realloc(s->first_args, (s->nfirst_args + 1) * sizeof *s->first_args);
    s->first_args[s->nfirst_args++] = (struct acl_first_arg){id, dup_slice(word)};
}

static const char *apply_category(struct acl_selector *s, const struct acl_terms *terms,
                                  struct slice rule, bool allow) {
    enum category cat = category_by_name(slice_of(rule.p + 1, rule.n - 1));
    uint32_t bit;

    if (slice_is(rule, "@all")) {
        allow_all(s, allow);
        return NULL;
    }
    if (cat == CATEGORIES) return ACL_ERR_UNKNOWN;
    bit = 1u << cat;
    for (unsigned i = 0; i < terms->commands->n; i++) {
        struct command_slot *top = &terms->commands->slots[i];

        if (command_categories(top) & bit) set_command(s, top, allow);
        for (unsigned k = 0; k < top->nsub; k++)
            if (command_categories(&top->sub[k]) & bit) set_command(s, &top->sub[k], allow);
    }
    note_rule(s, rule, allow);
    return NULL;
}

/* Commands of Redis that are not here (any more, or yet): files of users that name them are to be
 * read, and written back as they were. The rule has no effect. */
static bool is_of_redis(struct slice name) {
    static const char *const names[] = {"asking",    "cluster",  "failover",  "module",
                                        "psync",     "readonly", "readwrite", "replconf",
                                        "replicaof", "slaveof",  "sync"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (slice_is(name, names[i])) return true;
    return false;
}

static const char *note_absent(struct acl_selector *s, const struct acl_terms *terms,
                               struct slice rule, bool allow) {
    const char *bar = rule.n ? memchr(rule.p, '|', rule.n) : NULL;
    struct slice head = {rule.p, bar ? (size_t)(bar - rule.p) : rule.n};

    if (!is_of_redis(head) || acl_find_command(terms->commands, head)) return ACL_ERR_UNKNOWN;
    if (!acl_is_word(rule)) return ACL_ERR_SYNTAX;
    note_rule(s, rule, allow);
    return NULL;
}

/* +config|get, +select|0 */
static const char *allow_with_bar(struct acl_selector *s, const struct acl_terms *terms,
                                  struct slice rule) {
    const char *bar = memrchr(rule.p, '|', rule.n);
    struct slice head = slice_of(rule.p, (size_t)(bar - rule.p));
    struct slice word = slice_of(bar + 1, rule.n - head.n - 1);
    struct command_slot *cmd = acl_find_command(terms->commands, head);

    if (!cmd) return note_absent(s, terms, rule, true);
    if (cmd->parent) return ERR_FIRST_ARG_OF_SUB;
    if (word.n == 0 || !acl_is_word(word)) return ACL_ERR_SYNTAX;
    if (cmd->nsub) {
        cmd = acl_find_command(terms->commands, rule);
        if (!cmd) return ACL_ERR_UNKNOWN;
        set_command(s, cmd, true);
    } else {
        log_warning("Deprecation warning: Allowing a first arg of an otherwise blocked command is "
                    "a misuse of ACL and may get disabled in the future (offender: +%.*s)",
                    slice_shown(rule), rule.p);
        add_first_arg(s, cmd->id, word);
    }
    note_rule(s, rule, true);
    return NULL;
}

static const char *apply_command(struct acl_selector *s, const struct acl_terms *terms,
                                 struct slice rule, bool allow) {
    struct command_slot *cmd;

    if (rule.n && rule.p[0] == '@') return apply_category(s, terms, rule, allow);
    if (allow && rule.n && memchr(rule.p, '|', rule.n)) return allow_with_bar(s, terms, rule);
    cmd = acl_find_command(terms->commands, rule);
    if (!cmd) return note_absent(s, terms, rule, allow);
    set_command(s, cmd, allow);
    note_rule(s, rule, allow);
    return NULL;
}

/* ---------------------------------------------------------------- keys and channels */

static void add_pattern(struct acl_patterns *p, struct slice glob, unsigned access) {
    for (size_t i = 0; i < p->n; i++) {
        if (!slice_eq(glob, slice_str(p->v[i].glob))) continue;
        p->v[i].access |= access;
        return;
    }
    p->v = mem_realloc(p->v, (p->n + 1) * sizeof *p->v);
    p->v[p->n++] = (struct acl_pattern){dup_slice(glob), access};
}

/* %R~ %W~ %RW~: what stands before the pattern; false: it is no such thing. */
static bool parse_access(struct slice *rule, unsigned *access) {
    size_t i = 1;

    for (*access = 0; i < rule->n && rule->p[i] != '~'; i++) {
        unsigned bit = toupper((unsigned char)rule->p[i]) == 'R'   ? ACL_READ
                       : toupper((unsigned char)rule->p[i]) == 'W' ? ACL_WRITE
                                                                   : 0;

        if (!bit || *access & bit) return false;
        *access |= bit;
    }
    i += i < rule->n;
    *rule = slice_of(rule->p + i, rule->n - i);
    return true;
}

static const char *apply_keys(struct acl_selector *s, struct slice rule) {
    unsigned access = ACL_READ | ACL_WRITE;

    if (s->keys.all) return ERR_AFTER_ALL_KEYS;
    if (rule.p[0] == '~')
        rule = slice_of(rule.p + 1, rule.n - 1);
    else if (!parse_access(&rule, &access))
        return ACL_ERR_SYNTAX;
    if (!acl_is_word(rule)) return ACL_ERR_SYNTAX;
    if (access) add_pattern(&s->keys, rule, access); /* "%~x" allows nothing */
    return NULL;
}

static const char *apply_channel(struct acl_selector *s, struct slice rule) {
    if (s->channels.all) return ERR_AFTER_ALL_CHANNELS;
    if (!acl_is_word(rule)) return ACL_ERR_SYNTAX;
    add_pattern(&s->channels, rule, 0);
    return NULL;
}

static void set_all(struct acl_patterns *p, bool all) {
    clear_patterns(p);
    p->all = all;
}

/* ---------------------------------------------------------------- all rules */

static bool apply_word(struct acl_selector *s, struct slice rule) {
    if (slice_is(rule, "allkeys") || slice_is(rule, "~*"))
        set_all(&s->keys, true);
    else if (slice_is(rule, "resetkeys"))
        set_all(&s->keys, false);
    else if (slice_is(rule, "allchannels") || slice_is(rule, "&*"))
        set_all(&s->channels, true);
    else if (slice_is(rule, "resetchannels"))
        set_all(&s->channels, false);
    else if (slice_is(rule, "alldbs"))
        acl_dbs_set_all(&s->dbs, true);
    else if (slice_is(rule, "resetdbs"))
        acl_dbs_set_all(&s->dbs, false);
    else if (slice_is(rule, "allcommands"))
        allow_all(s, true);
    else if (slice_is(rule, "nocommands"))
        allow_all(s, false);
    else
        return false;
    return true;
}

const char *acl_selector_apply(struct acl_selector *s, const struct acl_terms *terms,
                               struct slice rule) {
    struct slice rest = {rule.p + 1, rule.n - 1};

    if (rule.n == 0 || apply_word(s, rule)) return NULL;
    switch (rule.p[0]) {
    case '~':
    case '%': return apply_keys(s, rule);
    case '&': return apply_channel(s, rest);
    case '+':
    case '-': return apply_command(s, terms, rest, rule.p[0] == '+');
    default: break;
    }
    if (rule.n >= 3 && slice_is(slice_of(rule.p, 3), "db="))
        return acl_dbs_set(&s->dbs, slice_of(rule.p + 3, rule.n - 3));
    return ACL_ERR_SYNTAX;
}

/* ---------------------------------------------------------------- as text */

void acl_selector_commands(const struct acl_selector *s, struct bytes *out) {
    bytes_append_str(out, s->from_all ? "+@all" : "-@all");
    for (size_t i = 0; i < s->nrules; i++) bytes_printf(out, " %s", s->rules[i]);
}

static void put_keys(const struct acl_selector *s, enum acl_form form, struct bytes *out) {
    static const char *const signs[] = {"", "%R~", "%W~", "~"};

    if (s->keys.all) bytes_append_str(out, "~*");
    for (size_t i = 0; i < s->keys.n; i++) {
        const struct acl_pattern *p = &s->keys.v[i];
        bool every = p->access == (ACL_READ | ACL_WRITE) && strcmp(p->glob, "*") == 0;

        bytes_printf(out, "%s%s%s", i ? " " : "",
                     every && form == ACL_WRITTEN ? "%RW~" : signs[p->access], p->glob);
    }
}

void acl_selector_keys(const struct acl_selector *s, struct bytes *out) {
    put_keys(s, ACL_SHOWN, out);
}

void acl_selector_channels(const struct acl_selector *s, struct bytes *out) {
    if (s->channels.all) bytes_append_str(out, "&*");
    for (size_t i = 0; i < s->channels.n; i++)
        bytes_printf(out, "%s&%s", i ? " " : "", s->channels.v[i].glob);
}

void acl_selector_dbs(const struct acl_selector *s, struct bytes *out) {
    acl_dbs_describe(&s->dbs, out);
}

void acl_selector_describe(const struct acl_selector *s, enum acl_form form, struct bytes *out) {
    if (s->keys.all || s->keys.n) {
        put_keys(s, form, out);
        bytes_append_char(out, ' ');
    }
    if (!s->channels.all) bytes_append_str(out, "resetchannels ");
    if (s->channels.all || s->channels.n) {
        acl_selector_channels(s, out);
        bytes_append_char(out, ' ');
    }
    if (!s->dbs.all) {
        if (s->dbs.n == 0) bytes_append_str(out, "resetdbs");
        acl_dbs_describe(&s->dbs, out);
        bytes_append_char(out, ' ');
    }
    acl_selector_commands(s, out);
}
