/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/monitor.h"

#include "server/exec/push.h"
#include "storage/base/mem.h"

void monitor_begin(struct session *s) {
    struct engine *e = s->e;

    if (s->flags & SESSION_MONITOR) return;
    s->flags |= SESSION_MONITOR;
    e->monitors = mem_realloc(e->monitors, (e->nmonitors + 1) * sizeof *e->monitors);
    e->monitors[e->nmonitors++] = s;
}

void monitor_end(struct session *s) {
    struct engine *e = s->e;

    if (!(s->flags & SESSION_MONITOR)) return;
    s->flags &= (uint32_t)~SESSION_MONITOR;
    for (size_t i = 0; i < e->nmonitors; i++)
        if (e->monitors[i] == s) e->monitors[i--] = e->monitors[--e->nmonitors];
}

/* 1700000000.123456 [0 127.0.0.1:50000] "SET" "k" "v" */
static void append_line(const struct call *x, struct bytes *b) {
    int64_t now = clock_wall_us();
    struct session_wire wire;

    x->s->ops->describe(x->s, &wire);
    bytes_printf(b, "+%lld.%06lld [%d ", (long long)(now / 1000000), (long long)(now % 1000000),
                 x->s->db);
    if (x->from == FROM_SCRIPT)
        bytes_append_str(b, "lua]");
    else if (x->s->flags & SESSION_UNIX)
        bytes_printf(b, "unix:%.*s]", (int)strcspn(wire.addr, ":"), wire.addr);
    else
        bytes_printf(b, "%s]", wire.addr);
    for (int i = 0; i < x->argc; i++) {
        bytes_append_char(b, ' ');
        bytes_append_quoted(b, arg_shown(x, i));
    }
    bytes_append_str(b, "\r\n");
}

static void show(const struct call *x) {
    struct engine *e = x->e;
    struct bytes line = {0};

    append_line(x, &line);
    for (size_t i = 0; i < e->nmonitors; i++) {
        struct reply r = push_begin(e, e->monitors[i]);

        reply_raw(&r, line.p, line.n);
    }
    bytes_release(&line);
}

void monitor_show_before(const struct call *x) {
    if (x->cmd->row->flags & CMD_SKIP_MONITOR && strcmp(x->cmd->row->group, "scripting") == 0)
        show(x);
}

void monitor_show_after(const struct call *x) {
    if (!(x->cmd->row->flags & (CMD_SKIP_MONITOR | CMD_ADMIN)) && x->from != FROM_RETRY) show(x);
}
