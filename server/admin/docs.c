/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/admin/docs.h"

#include "storage/base/check.h"

#include <ctype.h>

/* ---------------------------------------------------------------- the notation */

struct parser {
    const char *p;
    struct doc *doc;
};

static int parse_list(struct parser *s, char separator);

/* A run of characters that are not special here. */
static struct slice word(struct parser *s, const char *ends) {
    size_t n = strcspn(s->p, ends);
    struct slice w = {s->p, n};

    s->p += n;
    return w;
}

static bool take(struct parser *s, char c) {
    if (*s->p != c) return false;
    s->p++;
    return true;
}

static void expect(struct parser *s, char c) {
    CHECK(take(s, c));
}

static enum doc_type type_named(struct slice name) {
    static const struct {
        const char *name;
        enum doc_type type;
    } types[] = {{"int", DOC_INTEGER},
                 {"double", DOC_DOUBLE},
                 {"pattern", DOC_PATTERN},
                 {"time", DOC_UNIX_TIME}};
    size_t i = 0;

    while (!slice_is(name, types[i].name)) CHECK(++i < sizeof types / sizeof *types);
    return types[i].type;
}

static void parse_key_spec(struct parser *s, struct doc_arg *a) {
    expect(s, '@');
    CHECK(isdigit((unsigned char)*s->p));
    a->key_spec = *s->p++ - '0';
}

/* ":int", "@0", "(...)", "{...}": what follows a name. */
static void parse_kind(struct parser *s, struct doc_arg *a) {
    if (take(s, ':')) {
        a->type = type_named(word(s, " |)}]+^~'@"));
        if (*s->p == '@') parse_key_spec(s, a);
    } else if (*s->p == '@') {
        a->type = DOC_KEY;
        parse_key_spec(s, a);
    } else if (take(s, '(')) {
        a->type = DOC_ONEOF;
        a->child = parse_list(s, '|');
        expect(s, ')');
    } else if (take(s, '{')) {
        a->type = DOC_BLOCK;
        a->child = parse_list(s, ' ');
        expect(s, '}');
    }
}

/* TOKEN, name=TOKEN, TOKEN=argument, argument */
static void parse_item(struct parser *s, struct doc_arg *a) {
    bool upper = isupper((unsigned char)*s->p);
    struct slice w = word(s, " |)}]+^~'=:@({");

    a->name = w;
    if (!upper && take(s, '=')) {
        a->type = DOC_PURE_TOKEN;
        a->token = *s->p == '~' ? slice_of(s->p++, 1) : word(s, " |)}]^~");
        a->has_token = true;
        return;
    }
    if (upper) {
        a->token = w;
        a->has_token = true;
        a->type = DOC_PURE_TOKEN;
        if (!take(s, '=')) return;
        a->type = DOC_STRING;
        a->name = word(s, " |)}]+^~'=:@({");
    }
    parse_kind(s, a);
}

static void parse_suffixes(struct parser *s, struct doc_arg *a) {
    if (take(s, '+')) a->flags |= DOC_MULTIPLE;
    if (take(s, '+')) a->flags |= DOC_MULTIPLE_TOKEN;
    if (take(s, '^')) a->since = word(s, " |)}]~'");
    if (take(s, '~')) a->deprecated = word(s, " |)}]'");
    if (take(s, '\'')) {
        a->display = word(s, "'");
        expect(s, '\'');
    }
}

static int parse_arg(struct parser *s) {
    int at = s->doc->nargs++;
    struct doc_arg a = {.key_spec = DOC_NONE, .child = DOC_NONE, .next = DOC_NONE};
    bool optional = take(s, '[');

    CHECK(at < DOC_ARGS_MAX);
    if (optional) a.flags |= DOC_OPTIONAL;
    parse_item(s, &a);
    parse_suffixes(s, &a);
    if (optional) expect(s, ']');
    s->doc->args[at] = a;
    return at;
}

static int parse_list(struct parser *s, char separator) {
    int first = parse_arg(s), last = first;

    while (take(s, separator)) {
        int at = parse_arg(s);

        s->doc->args[last].next = at;
        last = at;
    }
    return first;
}

static void parse_head(struct parser *s) {
    struct slice w;

    if (!take(s, '!')) return;
    w = word(s, " ;");
    if (slice_is(w, "syscmd")) {
        s->doc->syscmd = true;
    } else {
        s->doc->deprecated_since = w;
        expect(s, ' ');
        s->doc->replaced_by = word(s, ";");
    }
    expect(s, ';');
    take(s, ' ');
}

void doc_parse(const char *grammar, struct doc *out) {
    struct parser s = {grammar ? grammar : "", out};

    out->syscmd = false;
    out->deprecated_since = out->replaced_by = (struct slice){"", 0};
    out->nargs = 0;
    out->first = DOC_NONE;
    parse_head(&s);
    if (*s.p) out->first = parse_list(&s, ' ');
    CHECK(*s.p == '\0');
}

/* ---------------------------------------------------------------- the reply */

static void put_str(struct reply *r, const char *name, const char *value) {
    reply_bulk_str(r, name);
    reply_bulk_str(r, value);
}

static void put(struct reply *r, const char *name, struct slice value) {
    reply_bulk_str(r, name);
    reply_bulk(r, value.p, value.n);
}

static void put_lower(struct reply *r, struct slice s) {
    char text[64];

    CHECK(s.n <= sizeof text);
    for (size_t i = 0; i < s.n; i++) text[i] = (char)tolower((unsigned char)s.p[i]);
    reply_bulk(r, text, s.n);
}

static void put_flags(struct reply *r, unsigned flags) {
    reply_bulk_str(r, "flags");
    reply_set(r, (size_t)__builtin_popcount(flags));
    if (flags & DOC_OPTIONAL) reply_simple(r, "optional");
    if (flags & DOC_MULTIPLE) reply_simple(r, "multiple");
    if (flags & DOC_MULTIPLE_TOKEN) reply_simple(r, "multiple_token");
}

static void put_list(struct reply *r, const struct doc *d, int first);

static void put_arg(struct reply *r, const struct doc *d, const struct doc_arg *a) {
    static const char *const types[] = {"string",    "integer",    "double", "key",  "pattern",
                                        "unix-time", "pure-token", "oneof",  "block"};
    bool is_group = a->type == DOC_ONEOF || a->type == DOC_BLOCK;

    reply_map(r, 2u + !is_group + (a->key_spec != DOC_NONE) + a->has_token + (a->since.n > 0) +
                     (a->deprecated.n > 0) + (a->flags != 0) + is_group);
    reply_bulk_str(r, "name");
    put_lower(r, a->name);
    put_str(r, "type", types[a->type]);
    if (!is_group) {
        reply_bulk_str(r, "display_text");
        put_lower(r, a->display.n ? a->display : a->name);
    }
    if (a->key_spec != DOC_NONE) {
        reply_bulk_str(r, "key_spec_index");
        reply_int(r, a->key_spec);
    }
    if (a->has_token) put(r, "token", a->token);
    if (a->since.n) put(r, "since", a->since);
    if (a->deprecated.n) put(r, "deprecated_since", a->deprecated);
    if (a->flags) put_flags(r, a->flags);
    if (is_group) {
        reply_bulk_str(r, "arguments");
        put_list(r, d, a->child);
    }
}

static void put_list(struct reply *r, const struct doc *d, int first) {
    size_t n = 0;

    for (int i = first; i != DOC_NONE; i = d->args[i].next) n++;
    reply_array(r, n);
    for (int i = first; i != DOC_NONE; i = d->args[i].next) put_arg(r, d, &d->args[i]);
}

void doc_reply(struct reply *r, const struct command_slot *s) {
    const struct command *c = s->row;
    bool deprecated;
    struct doc d;

    doc_parse(c->grammar, &d);
    deprecated = d.deprecated_since.n > 0;
    reply_bulk_str(r, s->name);
    reply_map(r, 3u + (d.syscmd || deprecated) + 2u * deprecated + (d.first != DOC_NONE) +
                     (s->nsub > 0));
    put_str(r, "summary", c->summary);
    put_str(r, "since", c->since);
    put_str(r, "group", c->group);
    if (d.syscmd || deprecated) {
        reply_bulk_str(r, "doc_flags");
        reply_set(r, 1);
        reply_simple(r, d.syscmd ? "syscmd" : "deprecated");
    }
    if (deprecated) {
        put(r, "deprecated_since", d.deprecated_since);
        put(r, "replaced_by", d.replaced_by);
    }
    if (d.first != DOC_NONE) {
        reply_bulk_str(r, "arguments");
        put_list(r, &d, d.first);
    }
    if (!s->nsub) return;
    reply_bulk_str(r, "subcommands");
    reply_map(r, s->nsub);
    for (unsigned i = 0; i < s->nsub; i++) doc_reply(r, &s->sub[i]);
}
