/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client - the CLIENT command: the connected clients, their names, and closing them.
 */
#include "server/admin/client_filter.h"
#include "server/admin/rows.h"
#include "server/exec/acl_user.h"
#include "server/exec/blocking.h"
#include "server/exec/multi.h"
#include "server/exec/pubsub.h"
#include "server/exec/tracking.h"
#include "server/exec/turn.h"
#include "storage/base/mem.h"

/* ---------------------------------------------------------------- one line a client */

void client_flags(struct bytes *b, const struct session *s) {
    size_t before = b->n;

    if (s->flags & SESSION_MONITOR) bytes_append_char(b, 'O');
    if (s->flags & SESSION_REPLICA) bytes_append_char(b, 'S');
    if (s->flags & SESSION_MASTER) bytes_append_char(b, 'M');
    if (s->subscriber) bytes_append_char(b, 'P');
    if (multi_is_open(s)) bytes_append_char(b, 'x');
    if (s->state == SESSION_BLOCKED || s->state == SESSION_PARKED) bytes_append_char(b, 'b');
    if (s->tracker) {
        bytes_append_char(b, 't');
        if (s->tracker->options & TRACKING_BROKEN) bytes_append_char(b, 'R');
        if (s->tracker->options & TRACKING_BCAST) bytes_append_char(b, 'B');
    }
    if (s->multi && s->multi->broken) bytes_append_char(b, 'd');
    if (s->state == SESSION_CLOSING) bytes_append_char(b, 'c');
    if (s->flags & SESSION_UNIX) bytes_append_char(b, 'U');
    if (s->flags & SESSION_READONLY) bytes_append_char(b, 'r');
    if (s->flags & SESSION_NO_EVICT) bytes_append_char(b, 'e');
    if (s->flags & SESSION_NO_TOUCH) bytes_append_char(b, 'T');
    if (s->flags & SESSION_IMPORTS) bytes_append_char(b, 'I');
    if (b->n == before) bytes_append_char(b, 'N');
}

static const char *or_empty(const char *s) {
    return s ? s : "";
}

static size_t watched(const struct session *s) {
    size_t n = 0;

    if (s->multi)
        list_each (it, &s->multi->watches) n++;
    return n;
}

static void append_client(struct bytes *b, const struct session *s, const struct call *x) {
    const struct command_slot *last = s == x->s ? x->cmd : s->last_cmd;
    struct session_wire w;
    size_t args = 0;

    s->ops->describe(s, &w);
    if (s == x->s) { /* the very command that asks is part of it, as everywhere */
        for (int i = 0; i < x->argc; i++) args += x->argv[i].n;
        w.query_bytes += x->raw.n;
    }
    bytes_printf(b, "id=%llu addr=%s laddr=%s fd=%d name=%s age=%lld idle=%lld flags=",
                 (unsigned long long)s->id, w.addr, w.laddr, w.fd, or_empty(s->name),
                 (long long)(x->now_ms - s->created_ms) / 1000,
                 (long long)(x->now_ms - s->active_ms) / 1000);
    client_flags(b, s);
    if (s->flags & SESSION_REDIRECTABLE) bytes_append_str(b, " capa=r");
    bytes_printf(
        b,
        " db=%d sub=%zu psub=%zu ssub=%zu multi=%d watch=%zu qbuf=%zu qbuf-free=%zu argv-mem=%zu"
        " multi-mem=%zu rbs=%d rbp=0 obl=%zu oll=0 omem=%zu tot-mem=%zu events=%s cmd=%s"
        " user=%s redir=%lld resp=%d lib-name=%s lib-ver=%s tot-net-in=%llu tot-net-out=%llu"
        " tot-cmds=%llu\n",
        s->db, pubsub_count(s, PUBSUB_CHANNEL), pubsub_count(s, PUBSUB_PATTERN),
        pubsub_count(s, PUBSUB_SHARD), multi_is_open(s) ? s->multi->n : -1, watched(s),
        w.query_bytes, w.query_free, args, s->multi ? s->multi->bytes : 0,
        s->out.last ? OUT_CHUNK : 0, out_pending(&s->out), s->out.mem_bytes,
        session_mem(s) + w.query_cap, w.events, last ? last->name : "NULL", s->user->name,
        s->tracker ? (long long)s->tracker->redirect_id : -1LL, s->resp, or_empty(s->lib_name),
        or_empty(s->lib_ver), (unsigned long long)s->bytes_in, (unsigned long long)s->bytes_out,
        (unsigned long long)s->commands);
}

void admin_describe(const struct call *x, struct bytes *out) {
    append_client(out, x->s, x);
    if (out->n) out->n--;
}

static int cmd_client_info(struct call *x) {
    struct bytes b = {0};

    append_client(&b, x->s, x);
    reply_verbatim(&x->r, "txt", b.p, b.n);
    bytes_release(&b);
    return 0;
}

/* ---------------------------------------------------------------- choosing clients */

struct session *client_by_id(const struct engine *e, uint64_t id) {
    list_each (it, &e->sessions) {
        struct session *s = list_entry(it, struct session, link);

        if (s->id != id) continue;
        return s->state == SESSION_CLOSING || s->flags & SESSION_HIDDEN ? NULL : s;
    }
    return NULL;
}

/* CLIENT LIST ID alone: in the order of the arguments. */
static int list_ids(struct call *x, struct bytes *b) {
    for (int i = 3; i < x->argc; i++) {
        struct session *s;
        int64_t id;

        if (!arg_int_range(x, i, INT64_MIN, INT64_MAX, &id, "ERR Invalid client ID")) return -1;
        s = (uint64_t)id == x->s->id ? x->s : client_by_id(x->e, (uint64_t)id);
        if (s) append_client(b, s, x);
    }
    return 0;
}

/* Whether a filter follows the numbers of CLIENT LIST ID. */
static bool only_ids(const struct call *x) {
    if (x->argc < 4 || !arg_is(x, 2, "id")) return false;
    for (int i = 3; i < x->argc; i++)
        if (client_filter_named(x->argv[i])) return false;
    return true;
}

static int cmd_client_list(struct call *x) {
    struct client_filter f = {0};
    struct bytes b = {0};
    int rc = 0;

    if (only_ids(x)) {
        rc = list_ids(x, &b);
    } else {
        if (!client_filter_parse(x, 2, &f)) return -1;
        list_each (it, &x->e->sessions) {
            const struct session *s = list_entry(it, struct session, link);

            if (client_filter_matches(x, &f, s)) append_client(&b, s, x);
        }
    }
    if (rc == 0) reply_verbatim(&x->r, "txt", b.n ? b.p : "", b.n);
    bytes_release(&b);
    return rc;
}

static int64_t kill_all(struct call *x, const struct client_filter *f) {
    int64_t killed = 0;
    bool me = false;

    list_each_safe (it, next, &x->e->sessions) {
        struct session *s = list_entry(it, struct session, link);

        if (s->state == SESSION_CLOSING || !client_filter_matches(x, f, s)) continue;
        killed++;
        if (s == x->s) {
            me = true;
            continue;
        }
        s->ops->close(s, false);
        pubsub_forget(s); /* a PUBLISH that follows in the same turn does not count it */
        tracking_end(s);
    }
    if (me) x->s->ops->close(x->s, true);
    return killed;
}

static int cmd_client_kill(struct call *x) {
    struct client_filter f = {.skip_me = true};

    if (x->argc == 3) { /* the old form: an address */
        f = (struct client_filter){.given = {1u << BY_ADDR}, .when[0][BY_ADDR] = {2, 3}};
        if (kill_all(x, &f) == 0) return reply_err(x, "ERR No such client");
        reply_ok(&x->r);
        return 0;
    }
    if (!client_filter_parse(x, 2, &f)) return -1;
    reply_int(&x->r, kill_all(x, &f));
    return 0;
}

/* ---------------------------------------------------------------- UNBLOCK */

static int cmd_client_unblock(struct call *x) {
    const char *error = NULL;
    struct session *s;
    int64_t id;

    if (x->argc > 4) return reply_subcommand_err(x);
    if (x->argc == 4 && arg_is(x, 3, "error"))
        error = "UNBLOCKED client unblocked via CLIENT UNBLOCK";
    else if (x->argc == 4 && !arg_is(x, 3, "timeout"))
        return reply_err(x, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    if (!arg_int(x, 2, &id)) return -1;
    s = client_by_id(x->e, (uint64_t)id);
    if (s && (s->state != SESSION_BLOCKED || !s->blocked || !can_unblock(s->blocked))) s = NULL;
    reply_int(&x->r, s != NULL);
    if (s) unblock(s->blocked, error);
    return 0;
}

/* ---------------------------------------------------------------- PAUSE */

static int cmd_client_pause(struct call *x) {
    enum pause_mode mode = PAUSE_ALL;
    int64_t ms;

    if (x->argc > 4) return reply_subcommand_err(x);
    if (x->argc == 4 && arg_is(x, 3, "write"))
        mode = PAUSE_WRITES;
    else if (x->argc == 4 && !arg_is(x, 3, "all"))
        return reply_err(x, "ERR CLIENT PAUSE mode must be WRITE or ALL");
    if (!arg_timeout_ms(x, 2, &ms)) return -1;
    pause_begin(&x->e->pause, PAUSE_BY_CLIENT, mode, clock_mono_us() + (uint64_t)ms * 1000);
    reply_ok(&x->r);
    return 0;
}

static int cmd_client_unpause(struct call *x) {
    engine_unpause(x->e, PAUSE_BY_CLIENT);
    reply_ok(&x->r);
    return 0;
}

/* ---------------------------------------------------------------- about oneself */

static int cmd_client_id(struct call *x) {
    reply_int(&x->r, (int64_t)x->s->id);
    return 0;
}

static int cmd_client_setname(struct call *x) {
    if (!is_plain_name(x->argv[2])) return reply_err(x, ERR_CLIENT_NAME);
    client_rename(x->s, x->argv[2]);
    reply_ok(&x->r);
    return 0;
}

static int cmd_client_getname(struct call *x) {
    if (x->s->name)
        reply_bulk_str(&x->r, x->s->name);
    else
        reply_null(&x->r);
    return 0;
}

static int cmd_client_setinfo(struct call *x) {
    struct slice value = x->argv[3];
    char **field;

    if (arg_is(x, 2, "lib-name"))
        field = &x->s->lib_name;
    else if (arg_is(x, 2, "lib-ver"))
        field = &x->s->lib_ver;
    else
        return reply_errf(x, "ERR Unrecognized option '%.*s'", (int)x->argv[2].n, x->argv[2].p);
    if (!is_plain_name(value))
        return reply_errf(x, "ERR %.*s cannot contain spaces, newlines or special characters.",
                          (int)x->argv[2].n, x->argv[2].p);
    mem_free(*field);
    *field = mem_alloc(value.n + 1);
    memcpy(*field, value.p, value.n);
    (*field)[value.n] = '\0';
    reply_ok(&x->r);
    return 0;
}

static int cmd_client_reply(struct call *x) {
    struct session *s = x->s;

    if (arg_is(x, 2, "on")) {
        s->flags &= (uint32_t) ~(SESSION_REPLY_OFF | SESSION_REPLY_SKIP | SESSION_REPLY_SKIP_NEXT);
        reply_ok(&x->r);
    } else if (arg_is(x, 2, "off")) {
        s->flags |= SESSION_REPLY_OFF;
    } else if (arg_is(x, 2, "skip")) {
        if (!(s->flags & SESSION_REPLY_OFF)) s->flags |= SESSION_REPLY_SKIP_NEXT;
    } else {
        return reply_err(x, ERR_SYNTAX);
    }
    return 0;
}

/* ON or OFF as argument 2. */
static int set_flag(struct call *x, uint32_t flag) {
    if (arg_is(x, 2, "on"))
        x->s->flags |= flag;
    else if (arg_is(x, 2, "off"))
        x->s->flags &= (uint32_t)~flag;
    else
        return reply_err(x, ERR_SYNTAX);
    reply_ok(&x->r);
    return 0;
}

static int cmd_client_no_evict(struct call *x) {
    return set_flag(x, SESSION_NO_EVICT);
}

static int cmd_client_no_touch(struct call *x) {
    return set_flag(x, SESSION_NO_TOUCH);
}

/* Words that are not known are ignored, so that clients need not ask what there is. */
static int cmd_client_capa(struct call *x) {
    for (int i = 2; i < x->argc; i++)
        if (arg_is(x, i, "redirect")) x->s->flags |= SESSION_REDIRECTABLE;
    reply_ok(&x->r);
    return 0;
}

static int cmd_client_import_source(struct call *x) {
    if (!engine_is_importing(x->e) && !arg_is(x, 2, "off"))
        return reply_err(x, "ERR Server is not in import mode");
    return set_flag(x, SESSION_IMPORTS);
}

static int cmd_client_help(struct call *x) {
    static const char *const lines[] = {
        "CACHING (YES|NO)",
        "    Whether what the next command reads is tracked (OPTIN, OPTOUT).",
        "CAPA <word> [<word> ...]",
        "    What this client can do. REDIRECT: go to the master where a replica says so.",
        "GETNAME",
        "    The name of this connection, null if it has none.",
        "GETREDIR",
        "    The client that gets this connection's invalidations; -1 without tracking.",
        "ID",
        "    The number of this connection. Numbers only rise and are not used twice.",
        "IMPORT-SOURCE (ON|OFF)",
        "    In import-mode: this connection sees keys whose time is over.",
        "INFO",
        "    This connection's line of CLIENT LIST.",
        "KILL <ip:port>",
        "    Close the connection that comes from this address.",
        "KILL <filter> <value> [<filter> <value> ...]",
        "    Close every connection that all filters match, and say how many that were:",
        "    ID <id> [<id> ...], ADDR <ip:port> (the peer's address), LADDR <ip:port> (ours),",
        "    IP <ip>, USER <name>, TYPE (NORMAL|MASTER|REPLICA|PUBSUB), NAME <name>,",
        "    LIB-NAME <name>, LIB-VER <version>, DB <number>, FLAGS <letters> (all of them);",
        "    each of these turned round with NOT- in front, as NOT-ID. IDLE <seconds> (without a",
        "    command for at least so long), MAXAGE <seconds> (connected at least so long),",
        "    SKIPME (YES|NO) (whether to spare this connection; YES unless said otherwise).",
        "LIST [<filter> <value> ...]",
        "    One line of fields for each connection that all filters match; those of KILL, SKIPME",
        "    being NO unless said otherwise.",
        "NO-EVICT (ON|OFF)",
        "    Never close this connection to save memory.",
        "NO-TOUCH (ON|OFF)",
        "    Do not let this connection's accesses count as use of a key.",
        "PAUSE <milliseconds> [WRITE|ALL]",
        "    Serve no client for so long, or none that writes.",
        "REPLY (ON|OFF|SKIP)",
        "    Send replies to this connection, none, or all but the next.",
        "SETINFO (LIB-NAME|LIB-VER) <text>",
        "    Note which client library is at the other end.",
        "SETNAME <name>",
        "    Give this connection a name; an empty one takes it away.",
        "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]] [OPTIN] [OPTOUT] "
        "[NOLOOP]",
        "    Tell this connection, or another one, when what it has read is no longer true.",
        "TRACKINGINFO",
        "    How this connection tracks.",
        "UNBLOCK <id> [TIMEOUT|ERROR]",
        "    End the connection's waiting as if its time were up, or with an error.",
        "UNPAUSE",
        "    End a pause.",
        NULL,
    };

    reply_help(x, lines);
    return 0;
}

/* ---------------------------------------------------------------- rows */

/* clang-format off */
static const struct command client_subcommands[] = {
    {"caching", 3, CMD_ANYTIME, "connection", {0, 0, 0}, cmd_client_caching, "6.0.0",
     "Sets whether keys that the next command reads are tracked.",
     .grammar = "mode(YES|NO)"},
    {"capa", -3, CMD_ANYTIME | CMD_ALLOW_BUSY, "connection", {0, 0, 0}, cmd_client_capa, "8.0.0",
     "Tells what the client is capable of.",
     .grammar = "capability+"},
    {"getname", 2, CMD_ANYTIME, "connection", {0, 0, 0}, cmd_client_getname, "2.6.9",
     "Returns the connection's name."},
    {"getredir", 2, CMD_ANYTIME, "connection", {0, 0, 0}, cmd_client_getredir, "6.0.0",
     "Returns which client receives this connection's invalidations."},
    {"help", 2, CMD_HELP, "connection", {0, 0, 0}, cmd_client_help, "5.0.0",
     "Explains the subcommands."},
    {"id", 2, CMD_ANYTIME, "connection", {0, 0, 0}, cmd_client_id, "5.0.0",
     "Returns the connection's number."},
    {"import-source", 3, CMD_ANYTIME, "connection", {0, 0, 0}, cmd_client_import_source, "8.1.0",
     "Marks the connection as the source of an import.",
     .grammar = "enabled(ON|OFF)"},
    {"info", 2, CMD_ANYTIME, "connection", {0, 0, 0}, cmd_client_info, "6.2.0",
     "Describes the connection.",
     .tips = "nondeterministic_output"},
    {"kill", -3, CMD_OPERATOR, "connection", {0, 0, 0}, cmd_client_kill, "2.4.0",
     "Closes connections.",
     .grammar = "filter(old-format~2.8.12'ip:port'|new-format([ID=client-id:int^2.8.12]|"
                "[TYPE=client-type(NORMAL|MASTER^3.2.0|SLAVE|REPLICA^5.0.0|PUBSUB)^2.8.12]|"
                "[USER=username]|[ADDR=addr'ip:port']|[LADDR=laddr^6.2.0'ip:port']|"
                "[SKIPME=skipme(YES|NO)]|[MAXAGE=maxage:int^7.4.0])+)"},
    {"list", -2, CMD_OPERATOR, "connection", {0, 0, 0}, cmd_client_list, "2.4.0",
     "Describes the connections that are open.",
     .grammar = "[TYPE=client-type(NORMAL|MASTER|REPLICA|PUBSUB)^5.0.0] "
                "[ID=client-id:int+^6.2.0]",
     .tips = "nondeterministic_output"},
    {"no-evict", 3, CMD_OPERATOR, "connection", {0, 0, 0}, cmd_client_no_evict, "7.0.0",
     "Protects the connection from eviction by maxmemory-clients.",
     .grammar = "enabled(ON|OFF)"},
    {"no-touch", 3, CMD_ANYTIME, "connection", {0, 0, 0}, cmd_client_no_touch, "7.2.0",
     "Lets the connection read keys without marking them as used.",
     .grammar = "enabled(ON|OFF)"},
    {"pause", -3, CMD_OPERATOR, "connection", {0, 0, 0}, cmd_client_pause, "3.0.0",
     "Pauses all clients for some time, or those that write.",
     .grammar = "timeout:int [mode(WRITE|ALL)^6.2.0]"},
    {"reply", 3, CMD_ANYTIME, "connection", {0, 0, 0}, cmd_client_reply, "3.2.0",
     "Switches replies to the connection on or off.",
     .grammar = "action(ON|OFF|SKIP)"},
    {"setinfo", 4, CMD_ANYTIME, "connection", {0, 0, 0}, cmd_client_setinfo, "7.2.0",
     "Notes facts about the client library.",
     .grammar = "attr(LIB-NAME=libname|LIB-VER=libver)",
     .tips = "request_policy:all_nodes response_policy:all_succeeded"},
    {"setname", 3, CMD_ANYTIME, "connection", {0, 0, 0}, cmd_client_setname, "2.6.9",
     "Names the connection.",
     .grammar = "connection-name",
     .tips = "request_policy:all_nodes response_policy:all_succeeded"},
    {"tracking", -3, CMD_ANYTIME, "connection", {0, 0, 0}, cmd_client_tracking, "6.0.0",
     "Notifies the connection when a key that it has read changes.",
     .grammar = "status(ON|OFF) [REDIRECT=client-id:int] [PREFIX=prefix++] [BCAST] [OPTIN] "
                "[OPTOUT] [NOLOOP]"},
    {"trackinginfo", 2, CMD_ANYTIME, "connection", {0, 0, 0}, cmd_client_trackinginfo, "6.2.0",
     "Tells how the connection tracks."},
    {"unblock", -3, CMD_OPERATOR, "connection", {0, 0, 0}, cmd_client_unblock, "5.0.0",
     "Ends the blocking command of another connection.",
     .grammar = "client-id:int [unblock-type(TIMEOUT|ERROR)]"},
    {"unpause", 2, CMD_OPERATOR, "connection", {0, 0, 0}, cmd_client_unpause, "6.2.0",
     "Ends a pause."},
    {0},
};

const struct command client_commands[] = {
    {"client", -2, 0, "connection", {0, 0, 0}, NULL, "2.4.0", "The commands about connections.",
     .subcommands = client_subcommands},
    {0},
};
/* clang-format on */
