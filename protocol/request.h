/* SPDX-License-Identifier: BSD-3-Clause
 *
 * request - from bytes to commands: RESP arrays of bulk strings, and inline lines.
 *
 * Incremental: a command that is not whole yet keeps its place, and the next call goes on there; no
 * byte is looked at twice. Arguments are slices of the input, never copied. (An inline command is
 * unescaped in place, so the input has to be writable.)
 *
 * Every byte of an array's framing is checked: lengths have no sign and no leading zeros, lines and
 * bulk strings end in CRLF. So the bytes of a request that is READY, not inline and has arguments
 * are those that encode_command() would write, and may go to the AOF as they came.
 *
 * Not here: reading, where the input lives, what a command means.
 */
#ifndef STET_PROTOCOL_REQUEST_H
#define STET_PROTOCOL_REQUEST_H

#include "storage/base/bytes.h"

#include <stdint.h>

/* The longest argument that an AOF may hold: as high as proto-max-bulk-len can be set, because what
 * is accepted from a client has to load again. */
#define REQUEST_BULK_MAX INT64_MAX

enum {
    REQUEST_ARGS_MAX = 1024 * 1024,   /* of a client's command */
    REQUEST_LOG_ARGS_MAX = INT32_MAX, /* of a command in the AOF: effects may need more (XADD) */
    REQUEST_LINE_MAX = 64 * 1024,     /* of an inline command or of a length line */
};

struct request_limits {
    int64_t bulk_max; /* proto-max-bulk-len, or REQUEST_BULK_MAX */
    int64_t args_max;
    bool authenticated; /* before AUTH only 10 arguments of 16 KiB are accepted */
};

/* Arguments of a run of commands, one after the other. Grows as needed. */
struct request_args {
    struct slice *v;
    size_t n, cap;
};

struct request {
    size_t first, argc; /* args->v[first .. first+argc); argc 0: an empty line, to be skipped */
    size_t bytes;       /* how much input it took */
    bool is_inline;
};

/* The place in an unfinished command; all zero between commands. */
struct request_partial {
    struct request_args args; /* addresses are offsets from the command's first byte */
    size_t at;                /* next byte to look at, from the command's first byte */
    int64_t argc;
    int64_t bulk_len; /* of the argument under way, -1: its length line is next */
};

enum request_result {
    REQUEST_READY,
    REQUEST_MORE, /* *need: bytes that the input must have before another call makes sense */
    REQUEST_BAD,  /* *error: the text after "ERR Protocol error: " */
};

/* Parses the command that begins at `in`. `partial` is NULL-initialised by the caller and NULL
 * again whenever no command is under way; it is freed with request_partial_free(). */
enum request_result request_parse(char *in, size_t n, const struct request_limits *limits,
                                  struct request_partial **partial, struct request_args *args,
                                  struct request *out, size_t *need, const char **error);

void request_partial_free(struct request_partial **partial);

/* Splits a line into arguments as inline commands and configuration lines are written: blanks
 * between them, "..." with escapes, '...' with \'. The arguments are unescaped in place and
 * appended to `args`. False if quotes do not match. */
bool request_split_line(char *line, size_t n, struct request_args *args);

void request_args_push(struct request_args *args, const char *p, size_t n);

#endif
