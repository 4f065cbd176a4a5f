/* SPDX-License-Identifier: BSD-3-Clause */
#include "protocol/request.h"

#include "storage/base/mem.h"
#include "storage/base/num.h"

#include <ctype.h>
#include <stdio.h>

enum {
    UNAUTH_ARGS_MAX = 10,
    UNAUTH_BULK_MAX = 16384,
};

static __attribute__((noinline)) void request_args_room(struct request_args *args, size_t more) {
    while (args->cap - args->n < more) args->cap = args->cap ? args->cap * 2 : 16;
    args->v = mem_realloc(args->v, args->cap * sizeof *args->v);
}

void request_args_push(struct request_args *args, const char *p, size_t n) {
    if (args->n == args->cap) request_args_room(args, 1);
    args->v[args->n++] = (struct slice){p, n};
}

void request_partial_free(struct request_partial **partial) {
    if (!*partial) return;
    mem_free((*partial)->args.v);
    mem_free(*partial);
    *partial = NULL;
}

/* ---------------------------------------------------------------- inline commands */

/* One escape after a backslash at s[*i] in double quotes; moves *i past it. */
static char unescape(const char *s, size_t n, size_t *i) {
    char c = s[*i];

    if (c == 'x' && *i + 2 < n && num_hex_digit(s[*i + 1]) >= 0 && num_hex_digit(s[*i + 2]) >= 0) {
        c = (char)(num_hex_digit(s[*i + 1]) * 16 + num_hex_digit(s[*i + 2]));
        *i += 3;
        return c;
    }
    (*i)++;
    switch (c) {
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'b': return '\b';
    case 'a': return '\a';
    default: return c;
    }
}

/* A quoted argument, from the byte after its opening quote; false if the closing one is missing or
 * glued to what follows. */
static bool split_quoted(char *s, size_t n, size_t *at, char quote, char **out) {
    size_t i = *at;

    while (i < n && s[i] != quote) {
        if (s[i] == '\\' && i + 1 < n && quote == '"') {
            i++;
            *(*out)++ = unescape(s, n, &i);
        } else if (s[i] == '\\' && i + 1 < n && s[i + 1] == '\'') {
            *(*out)++ = '\'';
            i += 2;
        } else {
            *(*out)++ = s[i++];
        }
    }
    if (i >= n) return false;
    i++;
    *at = i;
    return i >= n || isspace((unsigned char)s[i]);
}

bool request_split_line(char *s, size_t n, struct request_args *args) {
    size_t i = 0;

    for (;;) {
        char *begin, *out;

        while (i < n && isspace((unsigned char)s[i])) i++;
        if (i >= n) return true;
        begin = out = s + i;
        while (i < n && !isspace((unsigned char)s[i])) {
            if (s[i] == '"' || s[i] == '\'') {
                char quote = s[i++];

                if (!split_quoted(s, n, &i, quote, &out)) return false;
            } else {
                *out++ = s[i++];
            }
        }
        request_args_push(args, begin, (size_t)(out - begin));
    }
}

static enum request_result parse_inline(char *in, size_t n, struct request_partial **partial,
                                        struct request_args *args, struct request *out,
                                        size_t *need, const char **error) {
    size_t seen = *partial ? (*partial)->at : 0, line;
    char *nl = memchr(in + seen, '\n', n - seen);

    if (!nl) {
        if (n > REQUEST_LINE_MAX) {
            *error = "too big inline request";
            return REQUEST_BAD;
        }
        if (!*partial) {
            *partial = mem_calloc(sizeof **partial);
            (*partial)->argc = -1;
        }
        (*partial)->at = n;
        *need = n + 1;
        return REQUEST_MORE;
    }
    request_partial_free(partial);
    line = (size_t)(nl - in);
    out->first = args->n;
    out->bytes = line + 1;
    out->is_inline = true;
    if (line && in[line - 1] == '\r') line--;
    if (!request_split_line(in, line, args)) {
        *error = "unbalanced quotes in request";
        return REQUEST_BAD;
    }
    out->argc = args->n - out->first;
    return REQUEST_READY;
}

/* ---------------------------------------------------------------- arrays */

static inline bool is_line_end(const char *p) {
    return memcmp(p, "\r\n", 2) == 0;
}

/* Reads the digits of a length line at in[*at] up to its CRLF, moves *at after it. 1 read, 0 not
 * whole, -1 not a number as encode.c writes it. */
static inline int read_length(const char *in, size_t n, size_t *at, int64_t *out) {
    const char *p = in + *at, *end = in + n, *q = p;
    int64_t v = 0;

    /* Nearly every length has one or two digits. */
    if (__builtin_expect(end - p >= 4, 1)) {
        unsigned tens = (unsigned)(p[0] - '0'), ones = (unsigned)(p[1] - '0');

        if (tens <= 9 && is_line_end(p + 1)) {
            *out = tens;
            *at += 3;
            return 1;
        }
        if (tens - 1 <= 8 && ones <= 9 && is_line_end(p + 2)) {
            *out = tens * 10 + ones;
            *at += 4;
            return 1;
        }
    }
    while (q < end && (unsigned)(*q - '0') <= 9 && q - p < 10) v = v * 10 + (*q++ - '0');
    if (end - q >= 2 && q[0] == '\r' && q[1] == '\n' && q > p && (*p != '0' || q == p + 1)) {
        *out = v;
        *at = (size_t)(q + 2 - in);
        return 1;
    }
    q = memchr(p, '\r', (size_t)(end - p));
    if (!q || end - q < 2) return 0;
    if (q[1] != '\n' || !num_parse_i64(p, (size_t)(q - p), out)) return -1;
    *at = (size_t)(q + 2 - in);
    return 1;
}

struct array_parse {
    const char *in;
    size_t n, at;
    int64_t argc, bulk_len;
    struct request_args *args;
    size_t first;     /* in args */
    uintptr_t origin; /* added to offsets: `in`, or 0 while a partial command is kept */
};

static const char *argc_problem(int64_t argc, const struct request_limits *limits) {
    if (argc > limits->args_max) return "invalid multibulk length";
    if (argc > UNAUTH_ARGS_MAX && !limits->authenticated) return "unauthenticated multibulk length";
    return NULL;
}

static const char *bulk_problem(int64_t len, const struct request_limits *limits) {
    if (len < 0 || len > limits->bulk_max) return "invalid bulk length";
    if (len > UNAUTH_BULK_MAX && !limits->authenticated) return "unauthenticated bulk length";
    return NULL;
}

/* Goes on until the command is whole, input ends (REQUEST_MORE) or makes no sense. */
static enum request_result parse_bulks(struct array_parse *a, const struct request_limits *limits,
                                       const char **error) {
    static char wrong_type[32]; /* main thread only, as all requests */

    while ((int64_t)(a->args->n - a->first) < a->argc) {
        if (a->bulk_len < 0) {
            size_t at = a->at + 1;
            int rc;

            if (a->at >= a->n) return REQUEST_MORE;
            if (a->in[a->at] != '$') {
                snprintf(wrong_type, sizeof wrong_type, "expected '$', got '%c'", a->in[a->at]);
                *error = wrong_type;
                return REQUEST_BAD;
            }
            rc = read_length(a->in, a->n, &at, &a->bulk_len);
            if (rc == 0) {
                a->bulk_len = -1;
                *error = "too big bulk count string";
                return a->n - a->at > REQUEST_LINE_MAX ? REQUEST_BAD : REQUEST_MORE;
            }
            *error = rc < 0 ? "invalid bulk length" : bulk_problem(a->bulk_len, limits);
            if (*error) return REQUEST_BAD;
            a->at = at;
        }
        if (a->n - a->at < (size_t)a->bulk_len + 2) return REQUEST_MORE;
        if (memcmp(a->in + a->at + a->bulk_len, "\r\n", 2) != 0) {
            *error = "bulk string without CRLF";
            return REQUEST_BAD;
        }
        request_args_push(a->args, (const char *)(a->origin + a->at), (size_t)a->bulk_len);
        a->at += (size_t)a->bulk_len + 2;
        a->bulk_len = -1;
    }
    return REQUEST_READY;
}

enum { PLAIN_ARGS = 9, PLAIN_DIGITS = 3 };

/* "$N\r\n" with up to three digits at `p`: the bytes after it, NULL for anything else. `end` is so
 * far away that none of this is after it. */
static inline const char *plain_length(const char *p, size_t *n) {
    unsigned d = (unsigned)(p[1] - '0'), v = d;

    if (p[0] != '$' || d > 9) return NULL;
    if (is_line_end(p + 2)) {
        *n = v;
        return p + 4;
    }
    if (d == 0) return NULL;
    d = (unsigned)(p[2] - '0');
    v = v * 10 + d;
    if (d > 9) return NULL;
    if (is_line_end(p + 3)) {
        *n = v;
        return p + 5;
    }
    d = (unsigned)(p[3] - '0');
    if (d > 9 || !is_line_end(p + 4)) return NULL;
    *n = v * 10 + d;
    return p + 6;
}

/* The commonest requests: whole, of a few arguments with short lengths. The bytes that it takes; 0:
 * it is another one, and nothing was done. */
static inline size_t take_plain(const char *in, size_t n, struct request_args *args) {
    enum { LINE_MAX = PLAIN_DIGITS + 3 };
    const char *p = in + 4, *end = in + n;
    unsigned argc;
    struct slice *v;

    if (n < 4 || in[0] != '*' || !is_line_end(in + 2)) return 0;
    argc = (unsigned)(in[1] - '0');
    if (argc - 1 >= PLAIN_ARGS) return 0;
    if (args->cap - args->n < PLAIN_ARGS) request_args_room(args, PLAIN_ARGS);
    v = args->v + args->n;
    for (unsigned i = 0; i < argc; i++) {
        size_t len;

        if (end - p < LINE_MAX) return 0;
        p = plain_length(p, &len);
        if (!p || (size_t)(end - p) < len + 2 || !is_line_end(p + len)) return 0;
        v[i] = (struct slice){p, len};
        p += len + 2;
    }
    args->n += argc;
    return (size_t)(p - in);
}

/* Keeps the place of an unfinished command; its arguments become offsets. */
static void suspend(struct array_parse *a, struct request_partial **partial) {
    struct request_partial *p = *partial;

    if (!p) {
        p = *partial = mem_calloc(sizeof *p);
        for (size_t i = a->first; i < a->args->n; i++)
            request_args_push(&p->args, (char *)(a->args->v[i].p - a->in), a->args->v[i].n);
        a->args->n = a->first;
    }
    p->at = a->at;
    p->argc = a->argc;
    p->bulk_len = a->bulk_len;
}

static void resume_args(const struct array_parse *a, struct request_partial *p,
                        struct request_args *args) {
    for (size_t i = 0; i < p->args.n; i++)
        request_args_push(args, a->in + (uintptr_t)p->args.v[i].p, p->args.v[i].n);
}

static enum request_result parse_array(char *in, size_t n, const struct request_limits *limits,
                                       struct request_partial **partial, struct request_args *args,
                                       struct request *out, size_t *need, const char **error) {
    struct array_parse a = {in, n, 1, 0, -1, args, args->n, (uintptr_t)in};
    enum request_result rc;

    out->first = args->n;
    out->is_inline = false;
    if (*partial) {
        a.at = (*partial)->at;
        a.argc = (*partial)->argc;
        a.bulk_len = (*partial)->bulk_len;
        a.args = &(*partial)->args;
        a.first = 0;
        a.origin = 0;
    } else {
        int got = read_length(in, n, &a.at, &a.argc);

        if (got == 0) {
            *error = "too big mbulk count string";
            *need = n + 1;
            return n > REQUEST_LINE_MAX ? REQUEST_BAD : REQUEST_MORE;
        }
        *error = got < 0 ? "invalid multibulk length" : argc_problem(a.argc, limits);
        if (*error) return REQUEST_BAD;
    }
    rc = parse_bulks(&a, limits, error);
    if (rc == REQUEST_MORE) {
        *need = a.bulk_len >= 0 ? a.at + (size_t)a.bulk_len + 2 : n + 1;
        suspend(&a, partial);
    } else if (rc == REQUEST_READY) {
        if (*partial) resume_args(&a, *partial, args);
        request_partial_free(partial);
        out->argc = args->n - out->first;
        out->bytes = a.at;
    }
    return rc;
}

static __attribute__((noinline)) enum request_result
parse_any(char *in, size_t n, const struct request_limits *limits, struct request_partial **partial,
          struct request_args *args, struct request *out, size_t *need, const char **error) {
    if (n == 0) {
        *need = 1;
        return REQUEST_MORE;
    }
    if (in[0] == '*') return parse_array(in, n, limits, partial, args, out, need, error);
    return parse_inline(in, n, partial, args, out, need, error);
}

enum request_result request_parse(char *in, size_t n, const struct request_limits *limits,
                                  struct request_partial **partial, struct request_args *args,
                                  struct request *out, size_t *need, const char **error) {
    size_t first = args->n, bytes = 0;

    if (!*partial && limits->authenticated) bytes = take_plain(in, n, args);
    if (__builtin_expect(bytes == 0, 0))
        return parse_any(in, n, limits, partial, args, out, need, error);
    *out = (struct request){first, args->n - first, bytes, false};
    return REQUEST_READY;
}
