/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/replay.h"

#include "server/exec/acl.h"
#include "server/exec/call.h"
#include "server/exec/obey.h"
#include "storage/base/log.h"

#include <errno.h>

static void ignore_wake(struct session *s) {
    (void)s;
}

static void ignore_close(struct session *s, bool after_reply) {
    (void)s;
    (void)after_reply;
}

static void describe_log(const struct session *s, struct session_wire *out) {
    (void)s;
    *out = (struct session_wire){.addr = "log", .laddr = "log", .fd = -1, .events = ""};
}

static const struct session_ops log_ops = {ignore_wake, ignore_wake, ignore_close, describe_log};
static struct session log_session; /* of the one replay there can be */

/* Commands that were announced and have not come yet, in a ring. */
static struct {
    struct order v[32];
    unsigned first, n;
} ahead;

enum { AHEAD_MAX = sizeof ahead.v / sizeof *ahead.v };

void engine_replay_begin(struct engine *e) {
    session_init(&log_session, e, &log_ops);
    log_session.flags |= SESSION_AUTHENTICATED;
    log_session.user = e->acl->everybody;
    ahead.n = 0;
}

void engine_replay_end(struct engine *e) {
    (void)e;
    session_release(&log_session);
}

void engine_replay_soon(void *engine, size_t argc, const struct slice *argv) {
    struct order *o = &ahead.v[(ahead.first + ahead.n) % AHEAD_MAX];

    (void)engine;
    if (ahead.n == AHEAD_MAX) return;
    *o = (struct order){.argc = (int)argc, .argv = argv};
    engine_obey_prepare(&log_session, o);
    ahead.n++;
}

/* What was announced of this command, or what is found now. */
static struct order take_order(size_t argc, const struct slice *argv) {
    struct order o = {.argc = (int)argc, .argv = argv};

    if (ahead.n) {
        struct order *next = &ahead.v[ahead.first];

        ahead.first = (ahead.first + 1) % AHEAD_MAX;
        ahead.n--;
        if (next->argv == argv) return *next;
        ahead.n = 0;
    }
    engine_obey_prepare(&log_session, &o);
    return o;
}

int engine_replay(void *engine, size_t argc, const struct slice *argv, struct err *err) {
    struct order o = take_order(argc, argv);
    struct command_slot *cmd = o.cmd;
    struct call x;

    (void)engine;
    if (!cmd || o.unknown_sub)
        return err_set(err, EINVAL, "Unknown command '%.*s' reading the append only file",
                       (int)(argv[0].n > 128 ? 128 : argv[0].n), argv[0].p);
    if (!command_arity_ok(cmd->row, (int)argc))
        return err_set(err, EINVAL,
                       "wrong number of arguments for '%s' reading the append only file",
                       cmd->name);
    call_init(&x, &log_session, FROM_LOG, cmd, (int)argc, argv);
    x.first_hash = o.hash;
    x.has_first_hash = o.has_hash;
    if (cmd->row->fn(&x) < 0) {
        struct iovec iov;

        if (out_peek(&log_session.out, &iov, 1, 200) > 0)
            log_verbose("A command of the append only file failed as it must have failed before: "
                        "%s: %.*s",
                        cmd->name, (int)iov.iov_len, (char *)iov.iov_base);
    }
    out_release(&log_session.out);
    return 0;
}
