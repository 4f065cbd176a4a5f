/* SPDX-License-Identifier: BSD-3-Clause */
#include "persistence/aof_manifest.h"

#include "protocol/request.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

enum { LINE_MAX_BYTES = 1024 }; /* as Redis; the longest name of ours takes 1007 */

void aof_manifest_release(struct aof_manifest *m) {
    mem_free(m->files);
    *m = (struct aof_manifest){0};
}

void aof_manifest_copy(struct aof_manifest *to, const struct aof_manifest *from) {
    *to = *from;
    to->files = from->n ? mem_dup(from->files, from->n * sizeof *from->files) : NULL;
    to->cap = from->n;
}

static struct aof_file *insert_at(struct aof_manifest *m, size_t at) {
    if (m->n == m->cap) {
        m->cap = m->cap ? m->cap * 2 : 4;
        m->files = mem_realloc(m->files, m->cap * sizeof *m->files);
    }
    memmove(m->files + at + 1, m->files + at, (m->n - at) * sizeof *m->files);
    m->n++;
    m->files[at] = (struct aof_file){0};
    return &m->files[at];
}

const struct aof_file *aof_manifest_base(const struct aof_manifest *m) {
    for (size_t i = 0; i < m->n; i++)
        if (m->files[i].type == AOF_BASE) return &m->files[i];
    return NULL;
}

const struct aof_file *aof_manifest_last_incr(const struct aof_manifest *m) {
    for (size_t i = m->n; i-- > 0;)
        if (m->files[i].type == AOF_INCR) return &m->files[i];
    return NULL;
}

/* ---------------------------------------------------------------- reading */

/* The words that Redis logs for all of these, and that tools search for. */
#define FORMAT "Invalid AOF manifest file format: "

static const char *take_pair(struct aof_file *f, struct slice key, struct slice value) {
    if (slice_is(key, "file")) {
        if (value.n == 0 || value.n >= AOF_NAME_MAX)
            return FORMAT "a file name is empty or too long";
        if (memchr(value.p, '/', value.n)) return FORMAT "a file name holds a path";
        if (memchr(value.p, '\0', value.n)) return FORMAT "a file name holds a NUL";
        memcpy(f->name, value.p, value.n);
        f->name[value.n] = '\0';
    } else if (slice_is(key, "seq")) {
        if (!num_parse_i64(value.p, value.n, &f->seq) || f->seq < 1)
            return FORMAT "a sequence number is not a positive number";
    } else if (slice_is(key, "type")) {
        if (value.n != 1 || !strchr("bhi", value.p[0])) return "Unknown AOF file type";
        f->type = (enum aof_file_type)value.p[0];
    }
    return NULL; /* keys of later versions are ignored */
}

static const char *parse_file_line(struct slice line, struct aof_file *f) {
    struct request_args words = {0};
    char *copy = mem_dup(line.p, line.n);
    const char *why = NULL;

    if (!request_split_line(copy, line.n, &words))
        why = FORMAT "unbalanced quotes";
    else if (words.n % 2)
        why = FORMAT "a key without a value";
    for (size_t i = 0; !why && i < words.n; i += 2) why = take_pair(f, words.v[i], words.v[i + 1]);
    if (!why && (!f->name[0] || f->seq == 0 || f->type == 0))
        why = FORMAT "file, seq and type are needed";
    mem_free(words.v);
    mem_free(copy);
    return why;
}

static const char *accept_file(struct aof_manifest *m, const struct aof_file *f) {
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->files[i].name, f->name) == 0) return FORMAT "the same file twice";
    if (f->type == AOF_BASE) {
        if (aof_manifest_base(m)) return "Found duplicate base file information";
        m->base_seq = f->seq > m->base_seq ? f->seq : m->base_seq;
    } else if (f->type == AOF_INCR) {
        const struct aof_file *last = aof_manifest_last_incr(m);

        if (last && f->seq <= last->seq) return "Found a non-monotonic sequence number";
        m->incr_seq = f->seq;
    }
    *insert_at(m, m->n) = *f;
    return NULL;
}

int aof_manifest_parse(struct aof_manifest *m, const char *name, struct slice text, struct err *e) {
    int lineno = 0;

    *m = (struct aof_manifest){0};
    if (text.n == 0) return err_set(e, EINVAL, "manifest '%s': Found an empty AOF manifest", name);
    while (text.n) {
        struct aof_file f = {0};
        const char *nl = memchr(text.p, '\n', text.n), *why = NULL;
        struct slice line = {text.p, nl ? (size_t)(nl - text.p) : text.n};

        lineno++;
        if (line.n > LINE_MAX_BYTES)
            why = "The AOF manifest file contains too long line";
        else if (!nl)
            why = "the AOF manifest file is cut: its last line has no end";
        else if (line.n && line.p[0] != '#') {
            why = parse_file_line(line, &f);
            f.line = lineno;
            if (!why) why = accept_file(m, &f);
        } else if (line.n == 0) {
            why = FORMAT "an empty line";
        }
        if (why) {
            aof_manifest_release(m);
            return err_set(e, EINVAL, "manifest '%s', line %d '%.*s': %s", name, lineno,
                           (int)(line.n > 100 ? 100 : line.n), line.p, why);
        }
        text.p += line.n + 1;
        text.n -= line.n + 1;
    }
    if (m->n == 0) return err_set(e, EINVAL, "manifest '%s': it names no file", name);
    return 0;
}

/* ---------------------------------------------------------------- writing */

/* As Redis: what a line could not be split at again, and what is not text. */
static bool needs_quotes(const char *name) {
    for (; *name; name++)
        if (isspace((unsigned char)*name) || !isprint((unsigned char)*name) ||
            strchr("\"'\\", *name))
            return true;
    return false;
}

void aof_manifest_format(const struct aof_manifest *m, struct bytes *out) {
    for (size_t i = 0; i < m->n; i++) {
        const struct aof_file *f = &m->files[i];

        bytes_append_str(out, "file ");
        if (needs_quotes(f->name))
            bytes_append_quoted(out, slice_str(f->name));
        else
            bytes_append_str(out, f->name);
        bytes_printf(out, " seq %lld type %c\n", (long long)f->seq, (char)f->type);
    }
}

void aof_manifest_add(struct aof_manifest *m, enum aof_file_type type, int64_t seq,
                      const char *name) {
    struct aof_file *f = insert_at(m, m->n);

    f->seq = seq;
    f->type = type;
    snprintf(f->name, sizeof f->name, "%s", name);
}

bool aof_manifest_names(const struct aof_manifest *m, const char *name) {
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->files[i].name, name) == 0) return true;
    return false;
}

struct aof_file *aof_manifest_add_incr(struct aof_manifest *m, const char *stem) {
    struct aof_file *f = insert_at(m, m->n);

    f->seq = ++m->incr_seq;
    f->type = AOF_INCR;
    snprintf(f->name, sizeof f->name, "%s.%lld.incr.aof", stem, (long long)f->seq);
    return f;
}

struct aof_file *aof_manifest_set_base(struct aof_manifest *m, const char *stem,
                                       const char *suffix) {
    struct aof_file *f;

    for (size_t i = 0; i < m->n; i++)
        if (m->files[i].type == AOF_BASE) m->files[i].type = AOF_HISTORY;
    f = insert_at(m, 0);
    f->seq = ++m->base_seq;
    f->type = AOF_BASE;
    snprintf(f->name, sizeof f->name, "%s.%lld.base.%s", stem, (long long)f->seq, suffix);
    return f;
}

void aof_manifest_retire_incrs(struct aof_manifest *m, size_t keep) {
    size_t left = keep;

    for (size_t i = m->n; i-- > 0;) {
        if (m->files[i].type != AOF_INCR) continue;
        if (left > 0)
            left--;
        else
            m->files[i].type = AOF_HISTORY;
    }
}

void aof_manifest_drop_history(struct aof_manifest *m) {
    size_t to = 0;

    for (size_t i = 0; i < m->n; i++)
        if (m->files[i].type != AOF_HISTORY) m->files[to++] = m->files[i];
    m->n = to;
}

bool aof_manifest_drop_stray(struct aof_manifest *m, char name[AOF_NAME_MAX]) {
    const struct aof_file *last = aof_manifest_last_incr(m), *before = NULL;

    for (const struct aof_file *f = m->files; f < last; f++)
        if (f->type == AOF_INCR) before = f;
    if (!before || last->seq == before->seq + 1) return false;
    memcpy(name, last->name, AOF_NAME_MAX);
    m->incr_seq = before->seq;
    m->n = (size_t)(last - m->files);
    return true;
}
