/* SPDX-License-Identifier: BSD-3-Clause
 *
 * request - the request parser: the same commands whatever pieces the bytes come in; and what is
 * READY as an array is written again byte for byte (so it may go into the log as it came).
 */
#include "tests/fuzz/kit/fuzz.h"

#include "protocol/encode.h"
#include "protocol/request.h"
#include "storage/base/mem.h"

/* What was parsed, as text, and how it ended. */
struct parsed {
    struct bytes commands;
    enum request_result end;
    size_t used;
};

static void check_canonical(const char *in, const struct request *r, const struct slice *argv) {
    struct bytes again = {0};

    encode_command(&again, r->argc, argv);
    CHECK(slice_eq(bytes_slice(&again), slice_of(in, r->bytes)));
    bytes_release(&again);
}

static void note(struct parsed *out, const struct request *r, const struct slice *argv) {
    bytes_printf(&out->commands, "%zu%s\n", r->argc, r->is_inline ? "i" : "");
    for (size_t i = 0; i < r->argc; i++) {
        bytes_append_quoted(&out->commands, argv[i]);
        bytes_append_char(&out->commands, '\n');
    }
}

/* All commands of the first `n` bytes from `in`; the input grows by `step` bytes at a time (0: it
 * is there as a whole). */
static struct parsed parse(const struct request_limits *limits, struct slice input, size_t step) {
    struct parsed out = {.end = REQUEST_MORE};
    struct request_partial *partial = NULL;
    struct request_args args = {0};
    char *copy = fuzz_copy(input);
    const char *error;

    for (size_t have = step ? 0 : input.n;;) {
        struct request r = {0};
        size_t need = 0;

        args.n = 0;
        out.end = request_parse(copy + out.used, have - out.used, limits, &partial, &args, &r,
                                &need, &error);
        if (out.end == REQUEST_BAD) break;
        if (out.end == REQUEST_READY) {
            const struct slice *argv = args.v + r.first;

            CHECK(!partial && r.bytes > 0 && r.bytes <= have - out.used);
            CHECK(r.first + r.argc <= args.n);
            if (!r.is_inline && r.argc) check_canonical(copy + out.used, &r, argv);
            note(&out, &r, argv);
            out.used += r.bytes;
            if (out.used < have) continue;
        } else {
            CHECK(need > have - out.used);
        }
        if (have == input.n) break;
        have = have + step < input.n ? have + step : input.n;
    }
    request_partial_free(&partial);
    mem_free(args.v);
    mem_free(copy);
    return out;
}

static void split_line(struct slice s) {
    struct request_args args = {0};
    char *copy = fuzz_copy(s);

    if (request_split_line(copy, s.n, &args))
        for (size_t i = 0; i < args.n; i++)
            CHECK(args.v[i].p >= copy && args.v[i].p + args.v[i].n <= copy + s.n);
    mem_free(args.v);
    mem_free(copy);
}

FUZZ_TARGET(request) {
    struct choices c = choices_of(data, size);
    uint8_t how = choose(&c);
    size_t step = 1 + choose(&c) % 64;
    struct request_limits limits = {
        .bulk_max = how & 1 ? REQUEST_BULK_MAX : 512,
        .args_max = how & 2 ? REQUEST_LOG_ARGS_MAX : 100,
        .authenticated = how & 4,
    };
    struct slice input;
    struct parsed whole, pieces;

    fuzz_begin();
    input = choose_bytes(&c, choices_left(&c));
    whole = parse(&limits, input, 0);
    pieces = parse(&limits, input, step);
    CHECK(whole.end == pieces.end && whole.used == pieces.used);
    CHECK(slice_eq(bytes_slice(&whole.commands), bytes_slice(&pieces.commands)));
    bytes_release(&whole.commands);
    bytes_release(&pieces.commands);
    split_line(input);
    return 0;
}
