/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/commands/string_options.h"

#include "storage/base/num.h"
#include "storage/base/xxh3.h"

static const struct option {
    const char *word;
    unsigned bit, excludes;
} options[] = {
    {"nx", OPT_NX, OPT_XX | OPT_COMPARE},
    {"xx", OPT_XX, OPT_NX | OPT_COMPARE},
    {"ifeq", OPT_IFEQ, OPT_NX | OPT_XX | OPT_COMPARE},
    {"ifne", OPT_IFNE, OPT_NX | OPT_XX | OPT_COMPARE},
    {"get", OPT_GET, 0},
    {"keepttl", OPT_KEEPTTL, OPT_TIME | OPT_PERSIST},
    {"persist", OPT_PERSIST, OPT_TIME | OPT_KEEPTTL},
    {"ex", OPT_EX, (OPT_TIME & ~OPT_EX) | OPT_KEEPTTL | OPT_PERSIST},
    {"px", OPT_PX, (OPT_TIME & ~OPT_PX) | OPT_KEEPTTL | OPT_PERSIST},
    {"exat", OPT_EXAT, (OPT_TIME & ~OPT_EXAT) | OPT_KEEPTTL | OPT_PERSIST},
    {"pxat", OPT_PXAT, (OPT_TIME & ~OPT_PXAT) | OPT_KEEPTTL | OPT_PERSIST},
    {"ifdeq", OPT_IFDEQ, OPT_NX | OPT_XX | OPT_COMPARE},
    {"ifdne", OPT_IFDNE, OPT_NX | OPT_XX | OPT_COMPARE},
    {"byint", OPT_BYINT, OPT_BY},
    {"byfloat", OPT_BYFLOAT, OPT_BY},
    {"lbound", OPT_LBOUND, OPT_LBOUND},
    {"ubound", OPT_UBOUND, OPT_UBOUND},
    {"saturate", OPT_SATURATE, OPT_SATURATE},
    {"enx", OPT_ENX, OPT_ENX},
};

static const struct option *option_of(struct slice word, unsigned allowed) {
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (options[i].bit & allowed && slice_is(word, options[i].word)) return &options[i];
    return NULL;
}

static bool parse_digest(struct call *x, int i, uint64_t *digest) {
    struct slice s = x->argv[i];

    *digest = 0;
    for (size_t k = 0; k < s.n && s.n == XXH3_HEX; k++) {
        int d = num_hex_digit(s.p[k]);

        if (d < 0) break;
        *digest = *digest << 4 | (unsigned)d;
        if (k == XXH3_HEX - 1) return true;
    }
    reply_err(x, "ERR a digest is 16 hexadecimal digits");
    return false;
}

/* Where the number of the option's argument is kept. */
static int *arg_of(struct string_options *o, unsigned bit) {
    if (bit & OPT_TIME) return &o->time_arg;
    if (bit & OPT_COMPARE) return &o->compare_arg;
    if (bit & OPT_BY) return &o->by_arg;
    return bit & OPT_LBOUND ? &o->lower_arg : &o->upper_arg;
}

bool string_options(struct call *x, int i, unsigned allowed, struct string_options *o) {
    *o = (struct string_options){0};
    for (; i < x->argc; i++) {
        const struct option *opt = option_of(x->argv[i], allowed);

        if (!opt || opt->excludes & o->set || (opt->bit & OPT_WITH_ARG && i + 1 == x->argc)) {
            reply_err(x, ERR_SYNTAX);
            return false;
        }
        o->set |= opt->bit;
        if (opt->bit & OPT_WITH_ARG) *arg_of(o, opt->bit) = ++i;
    }
    return !(o->set & OPT_DIGEST) || parse_digest(x, o->compare_arg, &o->digest);
}

bool string_options_time(struct call *x, const struct string_options *o, int64_t *when_ms) {
    if (!(o->set & OPT_TIME)) return true;
    return arg_deadline(x, o->time_arg, o->set & (OPT_EX | OPT_EXAT), o->set & (OPT_EX | OPT_PX),
                        when_ms);
}
