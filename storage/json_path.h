/* SPDX-License-Identifier: BSD-3-Clause
 *
 * json_path - paths into JSON documents: JSONPath (RFC 9535) after `$`, and the older form without
 * it (`.a.b[0]`, `a`), which means the same path and one value of it.
 *
 * A path is compiled to segments. Evaluation keeps a list of values and makes the next list of it,
 * a segment at a time, so the length of a path costs no stack; `..` and filters recurse over the
 * document and over filters, and both depths are bounded.
 *
 * Beyond RFC 9535: `$.[0]`, names without quotes of any letters, regular expressions in filters
 * (`@.x =~ "re"`, regex.h), queries with several results in comparisons (the first one counts).
 * Not here: the functions of RFC 9535.
 */
#ifndef STET_STORAGE_JSON_PATH_H
#define STET_STORAGE_JSON_PATH_H

#include "storage/json.h"

enum {
    JSON_PATH_TEXT_MAX = 1 << 20,    /* bytes; compiled it may take 40 times as much */
    JSON_FILTER_DEPTH_MAX = 32,      /* filters and parentheses within each other */
    JSON_PATH_WORK_MAX = 1 << 28,    /* values that the evaluations of a command may look at */
    JSON_PATH_REPEATS_MAX = 1 << 20, /* results, where a value can be one more than once */
};

enum json_selector_kind {
    JSON_BY_NAME,
    JSON_BY_INDEX,
    JSON_BY_SLICE,
    JSON_BY_FILTER,
    JSON_BY_ANY,
};

struct json_selector {
    uint8_t kind; /* enum json_selector_kind */
    bool has_from, has_to;
    int64_t from, to, step; /* SLICE; INDEX: from */
    struct json name;       /* NAME */
    struct json_expr *filter;
};

struct json_segment {
    bool descends; /* `..` stands before it */
    uint32_t n;
    struct json_selector *selectors;
};

/* After `$` or `@`. */
struct json_query {
    bool of_item;  /* `@` */
    bool single;   /* names and indexes only: one result at the most */
    bool repeats;  /* a value can be a result more than once */
    bool descends; /* some segment does: results may contain each other */
    uint32_t n;
    struct json_segment *segments;
};

struct json_path {
    struct json_query query;
    bool legacy;
    struct bytes text; /* in the form with `$` */
};

/* NULL: it is no path; `bad` is where. */
struct json_path *json_path_compile(struct slice text, size_t *bad);
void json_path_free(struct json_path *p);

static inline bool json_path_is_root(const struct json_path *p) {
    return p->query.n == 0;
}

/* The last segment if it is a single name or index, else NULL. */
const struct json_selector *json_path_last(const struct json_path *p);

/* ---------------------------------------------------------------- evaluation (json_find.c) */

struct json_found {
    struct json *v, *parent; /* parent NULL: the root */
    uint32_t at;             /* which child of it */
    uint32_t depth;          /* 0: the root */
};

struct json_matches {
    struct json_found *list;
    size_t n, cap;
};

/* The values that the path leads to, in order. *work counts the values that were looked at. False:
 * these become too many, or the results do. `m` is all-zero before, and the caller's to release in
 * either case. */
bool json_path_find(const struct json_path *p, struct json *root, const struct pace *pace,
                    uint64_t *work, struct json_matches *m);

/* The same without the last segment. */
bool json_path_find_parents(const struct json_path *p, struct json *root, const struct pace *pace,
                            uint64_t *work, struct json_matches *m);

void json_matches_release(struct json_matches *m);

/* ---------------------------------------------------------------- filters (json_filter.c) */

enum json_expr_kind { JSON_EXPR_OR, JSON_EXPR_AND, JSON_EXPR_TEST, JSON_EXPR_COMPARE };
enum json_compare { JSON_EQ, JSON_NE, JSON_LE, JSON_GE, JSON_LT, JSON_GT, JSON_REGEX };

struct json_operand {
    bool is_query;
    struct json_query query;
    struct json value;
};

struct json_expr {
    uint8_t kind; /* enum json_expr_kind */
    uint8_t op;   /* enum json_compare */
    bool negated;
    uint32_t n; /* OR, AND */
    struct json_expr *parts;
    struct json_operand left, right; /* TEST: left */
    struct regex *regex;             /* of a right side that is a text; NULL: never matches */
};

struct json_compiling {
    const char *p, *end;
    int depth;
};

/* The filter that follows, without the '?'. What was made is freed by json_expr_release, whatever
 * the result is. */
bool json_filter_compile(struct json_compiling *c, struct json_expr *out);
void json_expr_release(struct json_expr *x);

/* For json_filter.c: segments up to where none follows; a text in quotes. */
bool json_query_compile(struct json_compiling *c, struct json_query *out);
void json_query_release(struct json_query *q);
bool json_path_take_text(struct json_compiling *c, struct bytes *out);

/* A list of n elements with room for one more; its size follows from n. */
void *json_path_room(void *list, uint32_t n, size_t each);

/* An evaluation under way. */
struct json_finding {
    struct json *root;
    const struct pace *pace;
    uint64_t *work;
    bool failed;
};

/* For json_filter.c: appends what the query finds from `start`. */
bool json_query_find(struct json_finding *f, const struct json_query *q, struct json_found start,
                     struct json_matches *out);
struct json *json_query_single(struct json_finding *f, const struct json_query *q,
                               struct json *start);
bool json_finding_work(struct json_finding *f, uint64_t steps);

bool json_filter_passes(struct json_finding *f, const struct json_expr *x, struct json *item);

#endif
