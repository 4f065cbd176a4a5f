/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/acl_user.h"

#include "storage/base/mem.h"
#include "storage/base/sha256.h"

#define ERR_NO_SUCH_PASSWORD "The password you are trying to remove from the user does not exist"
#define ERR_BAD_HASH                                                                               \
    "The password hash must be exactly 64 characters and contain only lowercase hexadecimal "      \
    "characters"

/* ---------------------------------------------------------------- begin and end */

static void set_total(struct acl_user *u) {
    u->total = false;
    for (size_t i = 0; i < u->nselectors; i++) u->total |= acl_selector_is_total(u->selectors[i]);
}

static void add_selector(struct acl_user *u, struct acl_selector *s) {
    u->selectors = mem_realloc(u->selectors, (u->nselectors + 1) * sizeof *u->selectors);
    u->selectors[u->nselectors++] = s;
}

struct acl_user *acl_user_new(struct slice name, const struct acl_terms *terms) {
    struct acl_user *u = mem_calloc(sizeof *u);

    u->name = mem_alloc(name.n + 1);
    if (name.n) memcpy(u->name, name.p, name.n);
    u->name[name.n] = '\0';
    add_selector(u, acl_selector_new(terms));
    return u;
}

static void clear_selectors(struct acl_user *u, size_t keep) {
    while (u->nselectors > keep) acl_selector_free(u->selectors[--u->nselectors]);
}

static void clear_passwords(struct acl_user *u) {
    for (size_t i = 0; i < u->npasswords; i++) mem_free(u->passwords[i]);
    u->npasswords = 0;
}

void acl_user_free(struct acl_user *u) {
    if (!u) return;
    clear_selectors(u, 0);
    clear_passwords(u);
    mem_free(u->selectors);
    mem_free(u->passwords);
    mem_free(u->name);
    mem_free(u);
}

static void add_password(struct acl_user *u, const char *hex) {
    u->passwords = mem_realloc(u->passwords, (u->npasswords + 1) * sizeof *u->passwords);
    u->passwords[u->npasswords++] = mem_strdup(hex);
}

struct acl_user *acl_user_copy(const struct acl_user *from) {
    struct acl_user *u = mem_dup(from, sizeof *from);

    u->name = mem_strdup(from->name);
    u->passwords = NULL;
    u->selectors = NULL;
    u->npasswords = u->nselectors = 0;
    for (size_t i = 0; i < from->npasswords; i++) add_password(u, from->passwords[i]);
    for (size_t i = 0; i < from->nselectors; i++)
        add_selector(u, acl_selector_copy(from->selectors[i]));
    return u;
}

void acl_user_become(struct acl_user *u, struct acl_user *from) {
    struct acl_user old = *u;

    *u = *from;
    *from = old;
    acl_user_free(from);
}

/* ---------------------------------------------------------------- passwords */

static bool is_hash(struct slice s) {
    if (s.n != SHA256_HEX) return false;
    for (size_t i = 0; i < s.n; i++)
        if (!(s.p[i] >= '0' && s.p[i] <= '9') && !(s.p[i] >= 'a' && s.p[i] <= 'f')) return false;
    return true;
}

static void hash_of(struct slice password, char hex[SHA256_HEX + 1]) {
    uint8_t digest[SHA256_BYTES];

    sha256(password.p, password.n, digest);
    sha256_hex(digest, hex);
}

/* Without a branch on any of their digits. */
static bool same_hash(const char *a, const char *b) {
    unsigned char differ = 0;

    for (int i = 0; i < SHA256_HEX; i++) differ |= (unsigned char)(a[i] ^ b[i]);
    return !differ;
}

bool acl_user_knows(const struct acl_user *u, struct slice password) {
    char hex[SHA256_HEX + 1];
    bool found = u->no_password;

    hash_of(password, hex);
    for (size_t i = 0; i < u->npasswords; i++) found |= same_hash(hex, u->passwords[i]);
    return found;
}

/* >password #hash <password !hash */
static const char *apply_password(struct acl_user *u, struct slice rule) {
    struct slice text = {rule.p + 1, rule.n - 1};
    char hex[SHA256_HEX + 1];
    size_t at = 0;

    if (rule.p[0] == '>' || rule.p[0] == '<') {
        hash_of(text, hex);
    } else {
        if (!is_hash(text)) return ERR_BAD_HASH;
        memcpy(hex, text.p, SHA256_HEX);
        hex[SHA256_HEX] = '\0';
    }
    while (at < u->npasswords && !same_hash(hex, u->passwords[at])) at++;
    if (rule.p[0] == '>' || rule.p[0] == '#') {
        if (at == u->npasswords) add_password(u, hex);
        u->no_password = false;
        return NULL;
    }
    if (at == u->npasswords) return ERR_NO_SUCH_PASSWORD;
    mem_free(u->passwords[at]);
    u->npasswords--;
    memmove(u->passwords + at, u->passwords + at + 1, (u->npasswords - at) * sizeof *u->passwords);
    return NULL;
}

/* ---------------------------------------------------------------- rules */

static struct slice next_word(struct slice *text) {
    struct slice word;

    while (text->n && text->p[0] == ' ') *text = slice_of(text->p + 1, text->n - 1);
    word = *text;
    word.n = 0;
    while (word.n < text->n && text->p[word.n] != ' ') word.n++;
    *text = slice_of(text->p + word.n, text->n - word.n);
    return word;
}

/* (~a +get) */
static const char *apply_selector(struct acl_user *u, const struct acl_terms *terms,
                                  struct slice rule) {
    struct acl_selector *s = acl_selector_new(terms);
    struct slice text = {rule.p + 1, rule.n - 2}, word;
    const char *why = NULL;

    while (!why && (word = next_word(&text)).n) why = acl_selector_apply(s, terms, word);
    if (why)
        acl_selector_free(s);
    else
        add_selector(u, s);
    return why;
}

/* As Redis has it: the rules `resetpass resetkeys resetchannels off sanitize-payload
 * clearselectors -@all`. */
static void reset(struct acl_user *u, const struct acl_terms *terms) {
    clear_passwords(u);
    clear_selectors(u, 0);
    add_selector(u, acl_selector_new(terms));
    u->on = u->no_password = u->skip_sanitize = false;
}

static bool apply_word(struct acl_user *u, const struct acl_terms *terms, struct slice rule) {
    if (slice_is(rule, "on")) {
        u->on = true;
    } else if (slice_is(rule, "off")) {
        u->on = false;
    } else if (slice_is(rule, "nopass") || slice_is(rule, "resetpass")) {
        u->no_password = slice_is(rule, "nopass");
        clear_passwords(u);
    } else if (slice_is(rule, "skip-sanitize-payload") || slice_is(rule, "sanitize-payload")) {
        u->skip_sanitize = slice_is(rule, "skip-sanitize-payload");
    } else if (slice_is(rule, "clearselectors")) {
        clear_selectors(u, 1);
    } else if (slice_is(rule, "reset")) {
        reset(u, terms);
    } else {
        return false;
    }
    return true;
}

const char *acl_user_apply(struct acl_user *u, const struct acl_terms *terms, struct slice rule) {
    const char *why = NULL;

    if (rule.n == 0) return NULL;
    if (apply_word(u, terms, rule))
        ;
    else if (memchr("><#!", rule.p[0], 4))
        why = apply_password(u, rule);
    else if (rule.p[0] == '(' && rule.n > 1 && rule.p[rule.n - 1] == ')')
        why = apply_selector(u, terms, rule);
    else
        why = acl_selector_apply(u->selectors[0], terms, rule);
    set_total(u);
    return why;
}

/* ---------------------------------------------------------------- words and rules */

static bool opens(struct slice word) {
    return word.n && word.p[0] == '(' && word.p[word.n - 1] != ')';
}

/* Where the rule that begins at `from` ends; -1: it does not. A parenthesis that opens within one
 * stays a part of it, and is refused as a rule of the selector. */
static int64_t end_of_rule(const struct slice *words, size_t n, size_t from) {
    if (!opens(words[from])) return (int64_t)from;
    for (size_t i = from; i < n; i++)
        if (words[i].n && words[i].p[words[i].n - 1] == ')') return (int64_t)i;
    return -1;
}

static bool call_with_rule(const struct slice *words, size_t from, size_t to, acl_rule_fn fn,
                           void *arg) {
    struct bytes joined = {0};
    bool more;

    if (from == to) return fn(arg, words[from]);
    for (size_t i = from; i <= to; i++) {
        if (i > from) bytes_append_char(&joined, ' ');
        bytes_append(&joined, words[i].p, words[i].n);
    }
    more = fn(arg, bytes_slice(&joined));
    bytes_release(&joined);
    return more;
}

int acl_rules_each(const struct slice *words, size_t n, acl_rule_fn fn, void *arg,
                   struct slice *unmatched) {
    int64_t end = -1;

    for (size_t i = 0; i < n; i = (size_t)end + 1) {
        end = end_of_rule(words, n, i);
        *unmatched = words[i];
        if (end < 0) return -1;
    }
    for (size_t i = 0; i < n; i = (size_t)end + 1) {
        end = end_of_rule(words, n, i);
        if (!call_with_rule(words, i, (size_t)end, fn, arg)) break;
    }
    return 0;
}

/* ---------------------------------------------------------------- as text */

int acl_user_flags(const struct acl_user *u, const char *out[ACL_FLAGS_MAX]) {
    int n = 0;

    out[n++] = u->on ? "on" : "off";
    if (u->no_password) out[n++] = "nopass";
    out[n++] = u->skip_sanitize ? "skip-sanitize-payload" : "sanitize-payload";
    return n;
}

void acl_user_describe(const struct acl_user *u, enum acl_form form, struct bytes *out) {
    const char *flags[ACL_FLAGS_MAX];
    int nflags = acl_user_flags(u, flags);

    bytes_printf(out, "user %s", form == ACL_WRITTEN && !u->name[0] ? "\"\"" : u->name);
    for (int i = 0; i < nflags; i++) bytes_printf(out, " %s", flags[i]);
    for (size_t i = 0; i < u->npasswords; i++) bytes_printf(out, " #%s", u->passwords[i]);
    bytes_append_char(out, ' ');
    acl_selector_describe(u->selectors[0], form, out);
    for (size_t i = 1; i < u->nselectors; i++) {
        bytes_append_str(out, " (");
        acl_selector_describe(u->selectors[i], form, out);
        bytes_append_char(out, ')');
    }
}
