/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/replay.h"

#include "server/exec/acl.h"
#include "server/exec/call.h"
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

void engine_replay_begin(struct engine *e) {
    session_init(&log_session, e, &log_ops);
    log_session.flags |= SESSION_AUTHENTICATED;
    log_session.user = e->acl->everybody;
}

void engine_replay_end(struct engine *e) {
    (void)e;
    session_release(&log_session);
}

int engine_replay(void *engine, size_t argc, const struct slice *argv, struct err *err) {
    struct engine *e = engine;
    bool unknown_sub;
    struct command_slot *cmd = command_resolve_logged(&e->commands, (int)argc, argv, &unknown_sub);
    struct call x;

    if (!cmd || unknown_sub)
        return err_set(err, EINVAL, "Unknown command '%.*s' reading the append only file",
                       (int)(argv[0].n > 128 ? 128 : argv[0].n), argv[0].p);
    if (!command_arity_ok(cmd->row, (int)argc))
        return err_set(err, EINVAL,
                       "wrong number of arguments for '%s' reading the append only file",
                       cmd->name);
    call_init(&x, &log_session, FROM_LOG, cmd, (int)argc, argv);
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
