/* SPDX-License-Identifier: BSD-3-Clause
 *
 * lcs - the longest common subsequence of two strings.
 *
 * The usual table of lengths, of which two rows are kept at a time. For going back only the choice
 * at each cell matters, so that takes one bit a cell. The bound on the table's size is that of the
 * whole table in 32-bit cells, because that is what clients know.
 */
#include "conf/conf.h"
#include "server/commands/commands.h"
#include "server/commands/support.h"
#include "server/exec/breathe.h"
#include "storage/base/mem.h"

enum { CELLS_A_STEP = 32 };

struct lcs_options {
    bool len, idx, with_len;
    int64_t min_len;
};

struct lcs_match {
    size_t a, b, n; /* begins, length */
};

struct lcs {
    struct slice a, b;
    size_t n;    /* length of the subsequence */
    uint8_t *up; /* bit i * b.n + j: from cell (i+1, j+1) the way goes to a shorter a */
};

/* ---------------------------------------------------------------- the table */

static size_t bits_bytes(const struct lcs *l) {
    return l->a.n * l->b.n / 8 + 1;
}

/* Fills in l->n, and l->up if it is there. */
static void measure(struct call *x, struct lcs *l) {
    uint32_t *row = mem_calloc((l->b.n + 1) * sizeof *row);
    size_t bit = 0;

    for (size_t i = 0; i < l->a.n; i++) {
        uint32_t diagonal = 0; /* of the row above, one to the left */

        for (size_t j = 0; j < l->b.n; j++, bit++) {
            uint32_t above = row[j + 1], left = row[j];

            if (l->a.p[i] == l->b.p[j]) {
                row[j + 1] = diagonal + 1;
            } else if (above > left) {
                if (l->up) l->up[bit >> 3] |= (uint8_t)(1u << (bit & 7));
            } else {
                row[j + 1] = left;
            }
            diagonal = above;
        }
        call_breathe_by(x, l->b.n / CELLS_A_STEP + 1);
    }
    l->n = row[l->b.n];
    mem_free(row);
}

/* Goes back from the end. Writes the subsequence to `text` and the runs of adjacent matches to
 * `runs`, the last one first, where these are not NULL; returns how many runs. */
static size_t walk_back(const struct lcs *l, char *text, struct lcs_match *runs) {
    size_t i = l->a.n, j = l->b.n, left = l->n, n = 0;
    bool in_run = false;

    while (i > 0 && j > 0) {
        if (l->a.p[i - 1] == l->b.p[j - 1]) {
            i--;
            j--;
            if (text) text[--left] = l->a.p[i];
            if (!in_run) n++;
            if (runs) runs[n - 1] = (struct lcs_match){i, j, in_run ? runs[n - 1].n + 1 : 1};
            in_run = true;
        } else {
            size_t bit = (i - 1) * l->b.n + j - 1;

            if (l->up[bit >> 3] >> (bit & 7) & 1)
                i--;
            else
                j--;
            in_run = false;
        }
    }
    return n;
}

/* ---------------------------------------------------------------- the command */

static bool parse_lcs(struct call *x, struct lcs_options *o) {
    *o = (struct lcs_options){0};
    for (int i = 3; i < x->argc; i++) {
        if (arg_is(x, i, "idx")) {
            o->idx = true;
        } else if (arg_is(x, i, "len")) {
            o->len = true;
        } else if (arg_is(x, i, "withmatchlen")) {
            o->with_len = true;
        } else if (arg_is(x, i, "minmatchlen") && i + 1 < x->argc) {
            if (!arg_int(x, ++i, &o->min_len)) return false;
            if (o->min_len < 0) o->min_len = 0;
        } else {
            reply_err(x, ERR_SYNTAX);
            return false;
        }
    }
    if (o->len && o->idx) {
        reply_err(x, "ERR If you want both the length and indexes, please just use IDX.");
        return false;
    }
    return true;
}

static bool check_sizes(struct call *x, const struct lcs *l) {
    uint64_t cells;

    if (l->a.n >= UINT32_MAX - 1 || l->b.n >= UINT32_MAX - 1) {
        reply_err(x, "ERR String too long for LCS");
        return false;
    }
    if (__builtin_mul_overflow((uint64_t)l->a.n + 1, (uint64_t)l->b.n + 1, &cells) ||
        cells > x->e->v->proto_max_bulk_len / sizeof(uint32_t)) {
        reply_err(x, "ERR Insufficient memory, transient memory for LCS exceeds "
                     "proto-max-bulk-len");
        return false;
    }
    return true;
}

static void reply_range(struct call *x, size_t first, size_t n) {
    reply_array(&x->r, 2);
    reply_int(&x->r, (int64_t)first);
    reply_int(&x->r, (int64_t)(first + n - 1));
}

static void reply_matches(struct call *x, const struct lcs *l, const struct lcs_options *o) {
    struct lcs_match *runs = mem_alloc((l->n + 1) * sizeof *runs);
    size_t n = walk_back(l, NULL, runs), wanted = 0;

    for (size_t i = 0; i < n; i++)
        if (runs[i].n >= (uint64_t)o->min_len) runs[wanted++] = runs[i];
    reply_map(&x->r, 2);
    reply_bulk_str(&x->r, "matches");
    reply_array(&x->r, wanted);
    for (size_t i = 0; i < wanted; i++) {
        reply_array(&x->r, o->with_len ? 3 : 2);
        reply_range(x, runs[i].a, runs[i].n);
        reply_range(x, runs[i].b, runs[i].n);
        if (o->with_len) reply_int(&x->r, (int64_t)runs[i].n);
    }
    reply_bulk_str(&x->r, "len");
    reply_int(&x->r, (int64_t)l->n);
    mem_free(runs);
}

static void reply_text(struct call *x, const struct lcs *l) {
    char *text = mem_alloc(l->n + 1);

    walk_back(l, text, NULL);
    reply_bulk(&x->r, text, l->n);
    mem_free(text);
}

static int cmd_lcs(struct call *x) {
    struct ref a = lookup_read(x, 1), b = lookup_read(x, 2);
    struct lcs l = {SLICE(""), SLICE(""), 0, NULL};
    struct lcs_options o;

    if ((a.e && a.e->type != TYPE_STRING) || (b.e && b.e->type != TYPE_STRING))
        return reply_err(x, "ERR The specified keys must contain string values");
    if (!parse_lcs(x, &o)) return -1;
    if (a.e) l.a = entry_string(a.e);
    if (b.e) l.b = entry_string(b.e);
    if (!check_sizes(x, &l)) return -1;
    if (!o.len) l.up = mem_calloc(bits_bytes(&l));
    measure(x, &l);
    if (o.len)
        reply_int(&x->r, (int64_t)l.n);
    else if (o.idx)
        reply_matches(x, &l, &o);
    else
        reply_text(x, &l);
    mem_free(l.up);
    return 0;
}

/* ---------------------------------------------------------------- rows */

/* clang-format off */
const struct command lcs_commands[] = {
    {"lcs", -3, CMD_READONLY, "string", {1, 2, 1}, cmd_lcs, "7.0.0",
     "Finds the longest common subsequence of two strings.",
     .grammar = "key1@0 key2@0 [LEN] [IDX] [MINMATCHLEN=min-match-len:int] [WITHMATCHLEN]"},
    {0},
};
/* clang-format on */
