/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/double/journal_reply.h"

#include "storage/base/mem.h"

enum { ERROR_MAX = 512 };

/* Copies what stands at [from, from + n), as far as it is there. */
static size_t copy_at(const struct out *o, uint64_t from, char *to, size_t n) {
    const struct out_chunk *c = o->first;
    uint64_t at = c ? o->head - c->sent : o->head; /* offset of the chunk's first byte */
    size_t got = 0;

    if (from < o->head) return 0;
    for (; c && got < n; at += c->n, c = c->next) {
        uint64_t want = from + got;
        size_t part;

        if (want >= at + c->n) continue;
        part = (size_t)(at + c->n - want);
        if (part > n - got) part = n - got;
        memcpy(to + got, c->p + (want - at), part);
        got += part;
    }
    return got;
}

static const char *kind_of(const char *head, size_t n) {
    switch (head[0]) {
    case '+': return "status";
    case ':': return "integer";
    case '$': return n > 1 && head[1] == '-' ? "null" : "bulk";
    case '*': return n > 1 && head[1] == '-' ? "null" : "array";
    case '_': return "null";
    case '%': return "map";
    case '~': return "set";
    case ',': return "double";
    case '#': return "boolean";
    case '(': return "bignum";
    case '=': return "verbatim";
    case '>': return "push";
    default: return "unknown";
    }
}

char *journal_reply_kind(const struct out *o, uint64_t from) {
    char head[ERROR_MAX + 1];
    size_t n = copy_at(o, from, head, ERROR_MAX);

    if (n == 0) return mem_strdup("none");
    if (head[0] != '-') return mem_strdup(kind_of(head, n));
    head[n] = '\0';
    head[strcspn(head, "\r")] = '\0';
    return mem_strdup(head + 1);
}
