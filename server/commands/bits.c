/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/commands/bits.h"

#include "conf/conf.h"
#include "server/commands/commands.h"
#include "server/commands/repeats.h"
#include "server/commands/support.h"
#include "server/exec/breathe.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"

#include <stdlib.h>

/* ---------------------------------------------------------------- counting */

static inline __attribute__((always_inline)) uint64_t count_words(const uint8_t *p, size_t n) {
    uint64_t sum[4] = {0}, w[4], tail = 0;

    for (; n >= sizeof w; p += sizeof w, n -= sizeof w) {
        memcpy(w, p, sizeof w);
        for (int i = 0; i < 4; i++) sum[i] += (uint64_t)__builtin_popcountll(w[i]);
    }
    for (; n >= sizeof *w; p += sizeof *w, n -= sizeof *w) {
        memcpy(w, p, sizeof *w);
        tail += (uint64_t)__builtin_popcountll(w[0]);
    }
    for (; n; p++, n--) tail += (uint64_t)__builtin_popcount(*p);
    return sum[0] + sum[1] + sum[2] + sum[3] + tail;
}

#ifdef __x86_64__
/* The same with the instruction for it, which not every x86-64 has. */
__attribute__((target("popcnt"))) static uint64_t count_popcnt(const uint8_t *p, size_t n) {
    return count_words(p, n);
}
#endif

uint64_t bits_count(const uint8_t *p, size_t n) {
#ifdef __x86_64__
    if (__builtin_cpu_supports("popcnt")) return count_popcnt(p, n);
#endif
    return count_words(p, n);
}

/* ---------------------------------------------------------------- finding */

static inline int bit_at(const uint8_t *p, uint64_t at) {
    return p[at >> 3] >> (7 - (at & 7)) & 1;
}

int64_t bits_find(const uint8_t *p, int64_t from, int64_t to, int bit) {
    uint64_t skip = bit ? 0 : UINT64_MAX, w;
    int64_t at = from;

    for (; at <= to && at & 7; at++)
        if (bit_at(p, (uint64_t)at) == bit) return at;
    for (; at + 63 <= to; at += 64) {
        memcpy(&w, p + (at >> 3), sizeof w);
        if (w != skip) break;
    }
    for (; at + 7 <= to && p[at >> 3] == (uint8_t)skip; at += 8) continue;
    for (; at <= to; at++)
        if (bit_at(p, (uint64_t)at) == bit) return at;
    return -1;
}

/* ---------------------------------------------------------------- arguments */

bool arg_bit_offset(struct call *x, int i, bool counted, unsigned width, uint64_t *offset) {
    struct slice s = x->argv[i];
    bool count = counted && s.n > 0 && s.p[0] == '#';
    int64_t v;

    if (!num_parse_i64(s.p + count, s.n - count, &v) || v < 0 ||
        (count && __builtin_mul_overflow(v, (int64_t)width, &v)) ||
        ((uint64_t)v >> 3 >= x->e->v->proto_max_bulk_len && !call_obeys(x))) {
        reply_err(x, "ERR bit offset is not an integer or out of range");
        return false;
    }
    *offset = (uint64_t)v;
    return true;
}

/* BYTE or BIT at the end of the arguments. */
static bool arg_unit(struct call *x, int i, bool *bits) {
    *bits = arg_is(x, i, "bit");
    if (*bits || arg_is(x, i, "byte")) return true;
    reply_err(x, ERR_SYNTAX);
    return false;
}

/* Offsets that may count from the end, as positions within n units. */
static void clamp_range(int64_t *start, int64_t *end, int64_t n) {
    if (*start < 0) *start += n;
    if (*end < 0) *end += n;
    if (*start < 0) *start = 0;
    if (*end < 0) *end = 0;
    if (*end >= n) *end = n - 1;
}

/* ---------------------------------------------------------------- single bits */

static int cmd_getbit(struct call *x) {
    struct slice s = SLICE("");
    uint64_t at;
    struct ref r;

    if (!arg_bit_offset(x, 2, false, 0, &at)) return -1;
    r = lookup_read(x, 1);
    if (!check_type(x, &r, TYPE_STRING)) return -1;
    if (r.e) s = entry_string(r.e);
    reply_int(&x->r, at >> 3 < s.n ? bit_at((const uint8_t *)s.p, at) : 0);
    return 0;
}

bool bits_reserve(struct call *x, struct ref *r, uint64_t last_bit, uint8_t **data, size_t *n) {
    size_t had = r->e ? entry_string(r->e).n : 0;
    size_t want = (size_t)(last_bit >> 3) + 1;
    bool is_new = !r->e;
    char *p;

    if (is_new) store_string(x, r, SLICE(""), ENTRY_NO_EXPIRE, ENTRY_RAW);
    if (want < had) want = had;
    r->e = db_resize_string(r->db, r->e, r->hash, want, &p);
    *data = (uint8_t *)p;
    *n = want;
    return is_new || want > had;
}

static int cmd_setbit(struct call *x) {
    uint64_t at;
    uint8_t *data, mask;
    size_t n;
    int64_t on;
    struct ref r;
    bool grown, was;

    if (!arg_bit_offset(x, 2, false, 0, &at)) return -1;
    if (!arg_int_range(x, 3, 0, 1, &on, "ERR bit is not an integer or out of range")) return -1;
    r = lookup_write(x, 1);
    if (!check_type(x, &r, TYPE_STRING)) return -1;
    grown = bits_reserve(x, &r, at, &data, &n);
    mask = (uint8_t)(1u << (7 - (at & 7)));
    was = data[at >> 3] & mask;
    if (on)
        data[at >> 3] |= mask;
    else
        data[at >> 3] &= (uint8_t)~mask;
    if (grown || was != on) key_changed(x, &r, EVENT_STRING, "setbit");
    reply_int(&x->r, was);
    return 0;
}

/* ---------------------------------------------------------------- BITCOUNT, BITPOS */

/* One bits in the bits [from, to]. */
static uint64_t count_range(const uint8_t *p, int64_t from, int64_t to) {
    int64_t first = from >> 3, last = to >> 3;
    unsigned head = 0xffu >> (from & 7), tail = 0xffu << (7 - (to & 7)) & 0xff;

    if (first == last) return (uint64_t)__builtin_popcount(p[first] & head & tail);
    return (uint64_t)__builtin_popcount(p[first] & head) +
           bits_count(p + first + 1, (size_t)(last - first - 1)) +
           (uint64_t)__builtin_popcount(p[last] & tail);
}

static int cmd_bitcount(struct call *x) {
    struct ref r = lookup_read(x, 1);
    int64_t start = 0, end = -1, n;
    bool bits = false, backwards;
    struct slice s;

    if (!check_type(x, &r, TYPE_STRING)) return -1;
    if (!r.e) {
        reply_int(&x->r, 0);
        return 0;
    }
    if (x->argc == 3 || x->argc > 5) return reply_err(x, ERR_SYNTAX);
    if (x->argc > 3 && (!arg_int(x, 2, &start) || !arg_int(x, 3, &end))) return -1;
    backwards = start < 0 && end < 0 && start > end;
    if (x->argc == 5 && !backwards && !arg_unit(x, 4, &bits)) return -1;
    s = entry_string(r.e);
    n = (int64_t)(bits ? s.n * 8 : s.n);
    clamp_range(&start, &end, n);
    if (backwards || start > end)
        reply_int(&x->r, 0);
    else if (bits)
        reply_int(&x->r, (int64_t)count_range((const uint8_t *)s.p, start, end));
    else
        reply_int(&x->r,
                  (int64_t)bits_count((const uint8_t *)s.p + start, (size_t)(end - start + 1)));
    return 0;
}

/* BITPOS's range of argument 3 on. */
static bool parse_bitpos(struct call *x, int64_t *start, int64_t *end, bool *bits) {
    if (x->argc > 6) {
        reply_err(x, ERR_SYNTAX);
        return false;
    }
    if (x->argc > 3 && !arg_int(x, 3, start)) return false;
    if (x->argc > 5 && !arg_unit(x, 5, bits)) return false;
    return x->argc <= 4 || arg_int(x, 4, end);
}

static int cmd_bitpos(struct call *x) {
    int64_t bit, start = 0, end = -1, at;
    bool bits = false;
    struct slice s;
    struct ref r;

    if (!arg_int(x, 2, &bit)) return -1;
    if (bit != 0 && bit != 1) return reply_err(x, "ERR The bit argument must be 1 or 0.");
    r = lookup_read(x, 1);
    if (!check_type(x, &r, TYPE_STRING)) return -1;
    if (!r.e) {
        reply_int(&x->r, bit ? -1 : 0);
        return 0;
    }
    if (!parse_bitpos(x, &start, &end, &bits)) return -1;
    s = entry_string(r.e);
    clamp_range(&start, &end, (int64_t)(bits ? s.n * 8 : s.n));
    if (start > end) {
        reply_int(&x->r, -1);
        return 0;
    }
    if (!bits) {
        start *= 8;
        end = end * 8 + 7;
    }
    at = bits_find((const uint8_t *)s.p, start, end, (int)bit);
    /* Without an end, a string is taken to go on with zeros. */
    if (at < 0 && !bit && x->argc < 5) at = (int64_t)s.n * 8;
    reply_int(&x->r, at);
    return 0;
}

/* ---------------------------------------------------------------- BITOP */

/* The last four are of Redis 8.2. With X the first source and Y all others: */
enum bitop {
    BITOP_AND,
    BITOP_OR,
    BITOP_XOR,
    BITOP_NOT,
    BITOP_DIFF,  /* in X and in no Y */
    BITOP_DIFF1, /* in a Y and not in X */
    BITOP_ANDOR, /* in X and in a Y */
    BITOP_ONE,   /* in exactly one source */
    BITOP_COUNT
};

static const char *const bitop_names[BITOP_COUNT] = {"and",  "or",    "xor",   "not",
                                                     "diff", "diff1", "andor", "one"};

static bool has_first(enum bitop op) {
    return op == BITOP_DIFF || op == BITOP_DIFF1 || op == BITOP_ANDOR;
}

static void combine(enum bitop op, uint8_t *restrict d, const uint8_t *restrict s, size_t n) {
    switch (op) {
    case BITOP_AND:
        for (size_t i = 0; i < n; i++) d[i] &= s[i];
        break;
    case BITOP_OR:
        for (size_t i = 0; i < n; i++) d[i] |= s[i];
        break;
    case BITOP_XOR:
        for (size_t i = 0; i < n; i++) d[i] ^= s[i];
        break;
    default:
        for (size_t i = 0; i < n; i++) d[i] = (uint8_t)~s[i];
    }
}

/* What a source has at [at, at + n); a shorter one counts as if zeros followed. */
static struct slice part_of(struct slice s, size_t at, size_t n) {
    if (at >= s.n) return SLICE("");
    return slice_of(s.p + at, s.n - at < n ? s.n - at : n);
}

/* What DIFF and its like make of X and the union of all Y, in place of the union. */
static void join_first(enum bitop op, uint8_t *restrict d, struct slice first, size_t n) {
    const uint8_t *s = (const uint8_t *)first.p;

    for (size_t i = 0; i < n; i++) {
        uint8_t x = i < first.n ? s[i] : 0;

        d[i] = (uint8_t)(op == BITOP_DIFF ? x & ~d[i] : op == BITOP_DIFF1 ? d[i] & ~x : x & d[i]);
    }
}

/* Keeps what was in one source so far and not in this one, or the reverse; `more` says what was in
 * two. */
static void count_to_two(uint8_t *restrict d, uint8_t *restrict more, struct slice from) {
    const uint8_t *s = (const uint8_t *)from.p;

    for (size_t i = 0; i < from.n; i++) {
        more[i] |= d[i] & s[i];
        d[i] ^= s[i];
    }
}

enum { PART = 64 * 1024 };

/* `one` of the sources has it: what an odd number has, without what two of them have. */
static void combine_one(uint8_t *out, const struct slice *src, int nsrc, size_t at, size_t n) {
    uint8_t more[PART];

    memset(out, 0, n);
    memset(more, 0, n);
    for (int i = 0; i < nsrc; i++) count_to_two(out, more, part_of(src[i], at, n));
    for (size_t i = 0; i < n; i++) out[i] &= (uint8_t)~more[i];
}

static void combine_first(enum bitop op, uint8_t *out, const struct slice *src, int nsrc, size_t at,
                          size_t n) {
    memset(out, 0, n);
    for (int i = 1; i < nsrc; i++) {
        struct slice s = part_of(src[i], at, n);

        combine(BITOP_OR, out, (const uint8_t *)s.p, s.n);
    }
    join_first(op, out, part_of(src[0], at, n), n);
}

/* Bytes [at, at + n) of the result. */
static void combine_part(enum bitop op, uint8_t *out, const struct slice *src, int nsrc, size_t at,
                         size_t n) {
    struct slice s = part_of(src[0], at, n);

    if (op == BITOP_ONE) {
        combine_one(out, src, nsrc, at, n);
        return;
    }
    if (has_first(op)) {
        combine_first(op, out, src, nsrc, at, n);
        return;
    }
    if (s.n) memcpy(out, s.p, s.n);
    memset(out + s.n, 0, n - s.n);
    if (op == BITOP_NOT) combine(op, out, (const uint8_t *)s.p, s.n);
    for (int i = 1; i < nsrc; i++) {
        s = part_of(src[i], at, n);
        combine(op, out, (const uint8_t *)s.p, s.n);
        if (op == BITOP_AND) memset(out + s.n, 0, n - s.n);
    }
}

/* The result over all sources, in parts that stay in the cache. */
static struct blob *combine_all(struct call *x, enum bitop op, const struct slice *src, int nsrc,
                                size_t n) {
    enum { STEPS = BREATHE_STEPS / 8 };
    struct blob *out = blob_new(NULL, n);

    for (size_t at = 0; at < n; at += PART) {
        combine_part(op, (uint8_t *)out->data + at, src, nsrc, at, n - at < PART ? n - at : PART);
        call_breathe_by(x, (size_t)nsrc * STEPS);
    }
    return out;
}

static int by_place(const void *a, const void *b) {
    const struct slice *x = a, *y = b;

    return (x->p > y->p) - (x->p < y->p);
}

/* Each source once, those of ONE at most twice; for XOR, two that are the same cancel each other.
 * DIFF and its like keep the first one where it is. Returns how many are left, at
 * least one. The order of sources is of no account. */
static int drop_repeats(enum bitop op, struct slice *src, int nsrc) {
    int n = 0, next;

    if (nsrc < REPEATS_MIN) return nsrc;
    if (has_first(op)) return 1 + drop_repeats(BITOP_OR, src + 1, nsrc - 1);
    qsort(src, (size_t)nsrc, sizeof *src, by_place);
    for (int i = 0; i < nsrc; i = next) {
        for (next = i + 1; next < nsrc && src[next].p == src[i].p; next++) {
        }
        if (op != BITOP_XOR || (next - i) % 2) src[n++] = src[i];
        if (op == BITOP_ONE && next - i > 1) src[n++] = src[next - 1];
    }
    if (n == 0) src[n++] = SLICE("");
    return n;
}

/* Looks the sources up; their longest length in *n. False: one is no string. */
static bool find_sources(struct call *x, struct slice *src, int nsrc, size_t *n) {
    *n = 0;
    for (int i = 0; i < nsrc; i++) {
        struct ref r = lookup_read(x, i + 3);

        if (!check_type(x, &r, TYPE_STRING)) return false;
        src[i] = r.e ? entry_string(r.e) : SLICE("");
        if (src[i].n > *n) *n = src[i].n;
    }
    return true;
}

static void store_bits(struct call *x, struct blob *bits) {
    struct ref r = lookup_write(x, 2);

    if (bits) key_overwrites(x, &r, TYPE_STRING);
    if (bits && bits->n > ENTRY_EMBED_MAX) {
        store_blob(x, &r, bits, ENTRY_NO_EXPIRE, ENTRY_RAW);
        key_changed(x, &r, EVENT_STRING, "set");
    } else if (bits) {
        store_string(x, &r, slice_of(bits->data, bits->n), ENTRY_NO_EXPIRE, ENTRY_RAW);
        blob_unref(bits);
        key_changed(x, &r, EVENT_STRING, "set");
    } else if (r.e) {
        key_delete(x, &r, x->e->v->lazyfree_lazy_server_del);
        key_changed(x, &r, EVENT_GENERIC, "del");
    }
}

static int cmd_bitop(struct call *x) {
    int op = 0, nsrc = x->argc - 3, rc = -1;
    struct slice *src;
    struct blob *result = NULL;
    size_t n;

    while (op < BITOP_COUNT && !arg_is(x, 1, bitop_names[op])) op++;
    if (op == BITOP_COUNT) return reply_err(x, ERR_SYNTAX);
    if (op == BITOP_NOT && nsrc != 1)
        return reply_err(x, "ERR BITOP NOT must be called with a single source key.");
    if (has_first((enum bitop)op) && nsrc < 2)
        return reply_err(x, "ERR BITOP DIFF, DIFF1 and ANDOR must be called with at least two "
                            "source keys.");
    src = mem_alloc((size_t)nsrc * sizeof *src);
    if (!find_sources(x, src, nsrc, &n)) goto out;
    nsrc = drop_repeats((enum bitop)op, src, nsrc);
    if (n) result = combine_all(x, (enum bitop)op, src, nsrc, n);
    store_bits(x, result);
    reply_int(&x->r, (int64_t)n);
    rc = 0;
out:
    mem_free(src);
    return rc;
}

/* ---------------------------------------------------------------- rows */

#define W (CMD_WRITE | CMD_DENYOOM)
#define R CMD_READONLY
#define F CMD_FAST

/* clang-format off */
const struct command bit_commands[] = {
    {"bitcount", -2, R, "bitmap", {1, 1, 1}, cmd_bitcount, "2.6.0",
     "Counts the one bits of a string.",
     .grammar = "key@0 [range{start:int end:int [unit(BYTE|BIT)^7.0.0]}]"},
    {"bitop", -4, W, "bitmap", {2, -1, 1}, cmd_bitop, "2.6.0",
     "Combines strings bit by bit and stores the result.",
     .grammar = "operation(AND|OR|XOR|NOT) destkey@0 key@1+",
     .key_specs = "@2..0 OW update; @3..-1 RO access"},
    {"bitpos", -3, R, "bitmap", {1, 1, 1}, cmd_bitpos, "2.8.7",
     "Finds the first one or zero bit of a string.",
     .grammar = "key@0 bit:int [range{start:int [end-unit-block{end:int [unit(BYTE|"
                "BIT)^7.0.0]}]}]"},
    {"getbit", 3, R | F, "bitmap", {1, 1, 1}, cmd_getbit, "2.2.0", "Gives one bit of a string.",
     .grammar = "key@0 offset:int"},
    {"setbit", 4, W, "bitmap", {1, 1, 1}, cmd_setbit, "2.2.0",
     "Sets or clears one bit of a string; grows it with zero bytes where needed.",
     .grammar = "key@0 offset:int value:int",
     .key_specs = "RW access update"},
    {0},
};
/* clang-format on */
