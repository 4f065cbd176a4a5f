/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/call.h"

#include "storage/base/mem.h"
#include "storage/base/num.h"

#include <ctype.h>
#include <stdarg.h>

/* ---------------------------------------------------------------- errors */

int reply_err(struct call *x, const char *text) {
    engine_count_error(x->e, text);
    reply_error_text(&x->r, text, strlen(text));
    return -1;
}

int reply_errf(struct call *x, const char *fmt, ...) {
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return reply_err(x, text);
}

static void upper_name(const struct call *x, char *out, size_t size) {
    size_t n = 0;

    for (const char *p = x->cmd->parent ? x->cmd->parent->name : x->cmd->name; *p && n + 1 < size;)
        out[n++] = (char)toupper((unsigned char)*p++);
    out[n] = '\0';
}

int reply_subcommand_err(struct call *x) {
    char name[40];
    struct slice sub = x->argv[x->argc > 1];

    upper_name(x, name, sizeof name);
    return reply_errf(
        x, "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try %s HELP.",
        (int)(sub.n > 128 ? 128 : sub.n), sub.p, name);
}

int reply_unknown_subcommand(struct call *x) {
    char name[40];
    struct slice sub = x->argv[1];

    upper_name(x, name, sizeof name);
    return reply_errf(x, "ERR unknown subcommand '%.*s'. Try %s HELP.",
                      (int)(sub.n > 128 ? 128 : sub.n), sub.p, name);
}

void reply_help(struct call *x, const char *const *lines) {
    char name[40], head[128];
    size_t n = 0;

    while (lines[n]) n++;
    upper_name(x, name, sizeof name);
    snprintf(head, sizeof head,
             "%s <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", name);
    reply_array(&x->r, n + 3);
    reply_simple(&x->r, head);
    for (size_t i = 0; i < n; i++) reply_simple(&x->r, lines[i]);
    reply_simple(&x->r, "HELP");
    reply_simple(&x->r, "    Print this help.");
}

/* ---------------------------------------------------------------- arguments */

bool arg_int(struct call *x, int i, int64_t *out) {
    if (num_parse_i64(x->argv[i].p, x->argv[i].n, out)) return true;
    reply_err(x, ERR_NOT_INT);
    return false;
}

bool arg_int_range(struct call *x, int i, int64_t min, int64_t max, int64_t *out,
                   const char *error) {
    int64_t v;

    if (!num_parse_i64(x->argv[i].p, x->argv[i].n, &v) || v < min || v > max) {
        reply_err(x, error ? error : ERR_NOT_INT);
        return false;
    }
    *out = v;
    return true;
}

struct slice *args_copy(int argc, const struct slice *argv) {
    size_t bytes = (size_t)argc * sizeof *argv;
    struct slice *to;
    char *p;

    for (int i = 0; i < argc; i++) bytes += argv[i].n;
    to = mem_alloc(bytes);
    p = (char *)(to + argc);
    for (int i = 0; i < argc; i++) {
        to[i] = (struct slice){p, argv[i].n};
        memcpy(p, argv[i].p, argv[i].n);
        p += argv[i].n;
    }
    return to;
}
