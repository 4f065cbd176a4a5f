/* SPDX-License-Identifier: BSD-3-Clause
 *
 * conf_impl - what the files of conf/ share: the rows of the table, the operations on a value, and
 * the object itself. No other folder includes it.
 *
 * A change never works on the live values: it is made on a copy (conf_values_copy), which then
 * changes places with the live ones or is thrown away. So every operation here may fail half-way.
 */
#ifndef STET_CONF_IMPL_H
#define STET_CONF_IMPL_H

#include "conf/conf.h"

/* ---- rows */

enum conf_kind { KIND_BOOL, KIND_INT, KIND_SIZE, KIND_ENUM, KIND_BITS, KIND_STRING, KIND_SPECIAL };

enum { CONF_GROUP_SHIFT = 16 };

enum conf_flag {
    CONF_IMMUTABLE = 1 << 0,     /* CONFIG SET is refused */
    CONF_HIDDEN = 1 << 1,        /* found by its exact name only */
    CONF_PROTECTED = 1 << 2,     /* CONFIG SET needs enable-protected-configs */
    CONF_SENSITIVE = 1 << 3,     /* never shown in logs */
    CONF_WORDS = 1 << 4,         /* the value is several words */
    CONF_EMPTY_NULL = 1 << 5,    /* an empty value is none: NULL, and no line in a file */
    CONF_OCTAL = 1 << 6,         /* written in base 8 */
    CONF_PERCENT = 1 << 7,       /* bytes, or "5%" stored as -5 */
    CONF_AUTO = 1 << 8,          /* the word "auto" is allowed in a file (port) */
    CONF_RELOAD = 1 << 9,        /* appliers run even if the value is the same (a file's name) */
    CONF_DENY_LOADING = 1 << 10, /* not while the data set is being loaded */
    CONF_QUOTED = 1 << 11,       /* a SPECIAL value that a file has in quotes */
    CONF_AUDITED = 1 << 12,      /* CONFIG SET of it goes to the server log, without the value */
    CONF_WITH_AOF = CONF_GROUP_AOF << CONF_GROUP_SHIFT,
    CONF_WITH_TLS = CONF_GROUP_TLS << CONF_GROUP_SHIFT
};

struct conf_word {
    const char *name;
    int value;
};

/* One assignment: the words of the value and where they go. */
struct conf_assign {
    const struct conf_row *row;
    struct conf_values *v;
    const struct slice *argv; /* each is also NUL-terminated */
    size_t argc;
    bool loading; /* from a file or the command line, not from CONFIG SET */
    bool again;   /* this load has set the row before */
    const char
        *base; /* what relative names of `dir` are relative to; NULL: the working directory */
    struct err *e;
};

/* Takes a line for CONFIG REWRITE. wanted: it goes into the file even if that has none yet. */
typedef void (*conf_line_fn)(void *ctx, struct slice line, bool wanted);

/* What a SPECIAL type can do. `field` is the row's place in a struct conf_values. */
struct conf_ops {
    int (*set)(const struct conf_assign *a, void *field);
    void (*format)(const void *field, struct bytes *out);
    void (*own)(void *field);     /* after a memcpy: makes copies of what it points to; or NULL */
    void (*release)(void *field); /* or NULL */
    /* The lines of a configuration file, where that is more than name and value; or NULL.
     * `def` is the field with its default. */
    void (*lines)(const struct conf_row *r, const void *field, const void *def, conf_line_fn emit,
                  void *ctx);
};

struct conf_row {
    const char *name, *alias;
    enum conf_kind kind;
    unsigned flags;
    size_t offset, size;
    int64_t min;
    uint64_t max;
    const struct conf_word *words; /* ENUM, BITS: ends with a NULL name */
    const struct conf_ops *ops;    /* SPECIAL */
    union {
        int64_t number;
        const char *text;
    } def;
};

extern const struct conf_row conf_rows[];
extern const size_t conf_row_count;

/* A parameter by name or alias, case-insensitive. `name` (may be NULL) gets the spelling of the
 * table that matched. */
const struct conf_row *conf_find(struct slice name, const char **canonical);

static inline void *conf_field(const struct conf_row *r, struct conf_values *v) {
    return (char *)v + r->offset;
}

static inline const void *conf_field_const(const struct conf_row *r, const struct conf_values *v) {
    return (const char *)v + r->offset;
}

/* ---- values */

void conf_values_default(struct conf_values *v);
void conf_values_copy(struct conf_values *dst, const struct conf_values *src);
void conf_values_release(struct conf_values *v);

/* dst's field becomes a copy of src's. */
void conf_value_copy(const struct conf_row *r, struct conf_values *dst,
                     const struct conf_values *src);

/* Parses and stores; conf_check() is called inside. The text of an error is the reason alone. */
int conf_assign(const struct conf_assign *a);

/* As CONFIG GET shows it. */
void conf_format(const struct conf_row *r, const struct conf_values *v, struct bytes *out);
bool conf_same(const struct conf_row *r, const struct conf_values *a, const struct conf_values *b);

/* "100mb" where that is exact. */
void conf_format_size(uint64_t bytes, struct bytes *out);

/* A size in Redis' sense: digits (none is 0) and a unit; what does not fit becomes the largest. */
bool conf_parse_size(struct slice s, uint64_t *out);

/* Rules that concern one row: file names, titles, clamping. Changes v where Redis would. */
int conf_check(const struct conf_assign *a);

extern const struct conf_ops conf_bind_ops, conf_dir_ops, conf_save_ops, conf_output_limits_ops,
    conf_notify_ops, conf_percentiles_ops, conf_oom_values_ops, conf_replicaof_ops, conf_secret_ops;

/* ---- words of a line */

struct conf_argv {
    struct slice *v; /* NUL-terminated each; owned */
    size_t n, cap;
};

/* Splits a line as a configuration file does: blanks, "double quotes" with escapes, 'single'
 * ones. False: a quote is not closed, or something touches the closing quote. */
bool conf_argv_parse(struct conf_argv *a, struct slice line);

/* Splits at every single blank; the empty text has no words. */
void conf_argv_split(struct conf_argv *a, struct slice text);
void conf_argv_add(struct conf_argv *a, struct slice word);
void conf_argv_release(struct conf_argv *a);

struct slice conf_trim(struct slice s);

/* ---- the object */

struct conf_applier {
    const struct conf_row *row;
    conf_apply_fn fn;
    void *arg;
};

struct conf_owner {
    const char *directive;
    conf_lines_fn fn;
    void *arg;
};

enum { CONF_OWNERS_MAX = 8 };

struct conf {
    struct conf_values values, defaults;
    char *path;           /* absolute, or NULL */
    char *start_dir;      /* the working directory before the load */
    struct bytes options; /* of the command line, as lines */
    bool has_stdin;       /* some of it came from standard input */
    bool *seen;           /* a flag a row: set by this load */

    struct conf_directive *directives;
    size_t directive_count;

    struct conf_applier *appliers;
    size_t applier_count;
    struct conf_owner owners[CONF_OWNERS_MAX];
    size_t owner_count;

    /* How a load failed. */
    enum conf_err failed; /* 0: it did not */
    size_t failed_line;   /* 0: no particular line */
    char *failed_text, *failed_reason;
};

/* Remembers the failure and fills `e`; returns -1. text may be NULL. */
int conf_fail(struct conf *c, enum conf_err code, size_t line, const char *text, const char *reason,
              struct err *e);

/* CONFIG SET of these rows to the values of `from`, whatever their flags: all or none. */
int conf_set_rows(struct conf *c, const struct conf_row *const *rows, size_t n,
                  const struct conf_values *from, struct err *e);

/* Whether CONFIG SET may change it now. */
bool conf_may_set(const struct conf *c, const struct conf_row *r, bool local);

/* Loads file and options of `of`, with names relative to the directory of its start. The working
 * directory and the log file are left alone. */
int conf_load_again(struct conf *c, const struct conf *of, struct err *e);

/* Appends the text of a file ("-" is standard input). */
int conf_read_file(struct conf *c, const char *path, struct bytes *out, struct err *e);

#endif
