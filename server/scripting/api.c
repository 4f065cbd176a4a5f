/* SPDX-License-Identifier: BSD-3-Clause
 *
 * api - the table `redis`: running commands from scripts, and what stands around that.
 */
#include "server/exec/acl.h"
#include "server/exec/admit.h"
#include "server/exec/run.h"
#include "server/exec/slots.h"
#include "server/scripting/interp.h"

#include "storage/base/log.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"

#include <math.h>
enum { DIGITS = 40, ARGS_KEPT = 64 };

/* ---------------------------------------------------------------- errors as tables */

/* {err=...}: a text that begins with '-' has a code, if it has two words. */
static void push_error(lua_State *L, const char *text) {
    lua_createtable(L, 0, 3);
    lua_pushliteral(L, "err");
    if (*text == '-' && strchr(text, ' '))
        lua_pushstring(L, text + 1);
    else
        lua_pushfstring(L, "ERR %s", *text == '-' ? text + 1 : text);
    lua_rawset(L, -3);
}

int api_raise(lua_State *L, const char *text) {
    push_error(L, text);
    return lua_error(L);
}

/* ---------------------------------------------------------------- running commands */

static void room_for_args(struct scripting *sc, int n) {
    if (n <= sc->argv_cap) return;
    sc->argv_cap = n < ARGS_KEPT ? ARGS_KEPT : n;
    sc->argv = mem_realloc(sc->argv, (size_t)sc->argv_cap * sizeof *sc->argv);
    sc->digits = mem_realloc(sc->digits, (size_t)sc->argv_cap * DIGITS);
}

static size_t format_number(char *out, double v) {
    if (v > -0x1p62 && v < 0x1p62 && v == (double)(int64_t)v && !(v == 0 && signbit(v)))
        return (size_t)num_format_i64(out, (int64_t)v);
    return (size_t)num_format_double(out, v);
}

static const char *collect_args(struct scripting *sc, lua_State *L, int argc) {
    if (argc == 0) return "Please specify at least one argument for this redis lib call";
    room_for_args(sc, argc);
    for (int i = 0; i < argc; i++) {
        struct slice *a = &sc->argv[i];
        int type = lua_type(L, i + 1);

        if (type == LUA_TSTRING) {
            a->p = lua_tolstring(L, i + 1, &a->n);
        } else if (type == LUA_TNUMBER) {
            a->p = sc->digits + (size_t)i * DIGITS;
            a->n = format_number(sc->digits + (size_t)i * DIGITS, lua_tonumber(L, i + 1));
        } else {
            return "Lua redis lib command arguments must be strings or integers";
        }
    }
    return NULL;
}

#define READ_ONLY_SCRIPT "Write commands are not allowed from read-only scripts."

/* The script may do what its client may. */
static bool may_run(struct scripting *sc, const struct command_slot *cmd, int argc,
                    char why[CALL_REFUSAL_MAX + 1]) {
    struct call *x = sc->run.outer;
    struct bytes text = {0};

    if (__builtin_expect(x->s->user->total, 1)) return true;
    if (acl_judge(x, cmd, argc, sc->argv, ACL_IN_SCRIPT, &text) == ACL_OK) return true;
    snprintf(why, CALL_REFUSAL_MAX + 1, "ACL failure in script: %s", bytes_cstr(&text));
    bytes_release(&text);
    return false;
}

/* DEBUG SET-DISABLE-DENY-SCRIPTS. What would run a script, a transaction or a subscription within
 * the script stays denied: no script is made for that. */
static bool is_allowed_for_tests(const struct scripting *sc, const struct command_slot *cmd) {
    static const char *const never[] = {"scripting", "transactions", "pubsub"};

    if (!sc->e->scripts_may_all || cmd->row->flags & CMD_BLOCKING) return false;
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        if (strcmp(cmd->row->group, never[i]) == 0) return false;
    return true;
}

/* The node of a cluster has the keys, and the script keeps to one slot. A script without a shebang
 * may use several. */
static const char *cluster_refusal(struct scripting *sc, const struct command_slot *cmd, int argc) {
    const struct cluster_seam *c = sc->e->cluster;

    if (call_obeys(sc->run.outer)) return NULL;
    return c->script_refusal(c->arg, sc->run.outer, cmd->row, argc, sc->argv, &sc->run.slot,
                             sc->run.flags & (SCRIPT_COMPAT | SCRIPT_CROSS_SLOT));
}

/* Why the command may not run now; NULL: it may. */
static const char *refusal(struct scripting *sc, const struct command_slot *cmd, int argc) {
    static char why[CALL_REFUSAL_MAX + 1];
    const struct run *run = &sc->run;
    uint32_t flags = cmd->row->flags;
    const char *text;

    if (!command_arity_ok(cmd->row, argc))
        return "Wrong number of args calling Redis command from script";
    if (flags & CMD_NOSCRIPT && !is_allowed_for_tests(sc, cmd))
        return "This Redis command is not allowed from script";
    if (!may_run(sc, cmd, argc, why)) return why;
    if (run->flags & SCRIPT_NO_WRITES && flags & (CMD_WRITE | CMD_MAY_REPLICATE))
        return READ_ONLY_SCRIPT;
    if (sc->e->cluster && (text = cluster_refusal(sc, cmd, argc))) return text;
    if (!(flags & (CMD_WRITE | CMD_DENYOOM))) return NULL;
    if (run->wrote || run->flags & SCRIPT_ALLOW_OOM) flags &= ~(uint32_t)CMD_DENYOOM;
    why[0] = '-';
    return call_refusal(sc->e, flags, why + 1) ? why : NULL;
}

static struct command_slot *resolve(struct scripting *sc, int argc, bool *unknown_sub) {
    struct slice name = sc->argv[0];
    struct known_command *k = &sc->known[(uintptr_t)name.p / 16 % KNOWN_COMMANDS];
    struct command_slot *cmd;

    *unknown_sub = false;
    if (k->at == name.p && k->n == name.n && memcmp(k->name, name.p, name.n) == 0) return k->slot;
    cmd = command_resolve(&sc->e->commands, argc, sc->argv, unknown_sub);
    if (cmd && !cmd->sub && !cmd->parent && name.n <= sizeof k->name) {
        *k = (struct known_command){.at = name.p, .n = name.n, .slot = cmd};
        memcpy(k->name, name.p, name.n);
    }
    return cmd;
}

/* The command that the arguments name, or NULL and why it may not run. */
static struct command_slot *find_command(struct scripting *sc, int argc, const char **why) {
    bool unknown_sub;
    struct command_slot *cmd = resolve(sc, argc, &unknown_sub);

    if (!cmd || unknown_sub) {
        *why = "Unknown Redis command called from script";
        return NULL;
    }
    *why = refusal(sc, cmd, argc);
    if (*why) cmd->rejected++;
    return *why ? NULL : cmd;
}

/* An error was counted when it came; it is not when it ends the script. */
static void mark_counted(lua_State *L) {
    lua_pushliteral(L, "ignore_error_stats_update");
    lua_pushboolean(L, true);
    lua_rawset(L, -3);
}

static int fail(struct scripting *sc, lua_State *L, const char *why, bool raise) {
    push_error(L, why);
    lua_pushliteral(L, "err");
    lua_rawget(L, -2);
    engine_count_error(sc->e, lua_tostring(L, -1));
    lua_pop(L, 1);
    mark_counted(L);
    return raise ? lua_error(L) : 1;
}

static int run_command(lua_State *L, bool raise) {
    struct scripting *sc = scripting_of(L);
    int argc = lua_gettop(L), rc;
    const char *why = collect_args(sc, L, argc);
    struct command_slot *cmd;

    if (why) return fail(sc, L, why, raise);
    if (!sc->run.outer)
        return fail(sc, L, "redis.call/pcall can only be called inside a script", raise);
    cmd = find_command(sc, argc, &why);
    if (!cmd) return fail(sc, L, why, raise);
    if (cmd->row->flags & CMD_WRITE) sc->run.wrote = true;
    if (cmd->row->flags & (CMD_WRITE | CMD_MAY_REPLICATE)) sc->run.told = true;
    out_truncate(&sc->out, sc->out.head);
    rc = call_scripted(sc->run.outer, cmd, argc, sc->argv, (struct reply){&sc->out, sc->run.resp});
    convert_to_lua(sc, L);
    if (rc < 0 && lua_istable(L, -1)) {
        mark_counted(L);
        if (raise) return lua_error(L);
    }
    return 1;
}

static int api_call(lua_State *L) {
    return run_command(L, true);
}

static int api_pcall(lua_State *L) {
    return run_command(L, false);
}

/* ---------------------------------------------------------------- replies of one's own */

static int wrong_arguments(lua_State *L) {
    push_error(L, "wrong number or type of arguments");
    return 1;
}

static int api_error_reply(lua_State *L) {
    const char *text;

    if (lua_gettop(L) != 1 || lua_type(L, 1) != LUA_TSTRING) return wrong_arguments(L);
    text = lua_tostring(L, 1);
    if (*text != '-') text = lua_pushfstring(L, "-%s", text);
    push_error(L, text);
    return 1;
}

static int api_status_reply(lua_State *L) {
    if (lua_gettop(L) != 1 || lua_type(L, 1) != LUA_TSTRING) return wrong_arguments(L);
    lua_createtable(L, 0, 1);
    lua_pushvalue(L, 1);
    lua_setfield(L, -2, "ok");
    return 1;
}

/* ---------------------------------------------------------------- the rest */

static int api_sha1hex(lua_State *L) {
    uint8_t digest[SHA1_BYTES];
    char hex[SHA1_HEX + 1];
    size_t n;
    const char *p;

    if (lua_gettop(L) != 1) return api_raise(L, "wrong number of arguments");
    p = lua_tolstring(L, 1, &n);
    sha1(p, p ? n : 0, digest);
    sha1_hex(digest, hex);
    lua_pushlstring(L, hex, SHA1_HEX);
    return 1;
}

static int api_log(lua_State *L) {
    struct bytes text = {0};
    int n = lua_gettop(L);
    lua_Integer level;

    if (n < 2) return api_raise(L, "redis.log() requires two arguments or more.");
    if (!lua_isnumber(L, 1)) return api_raise(L, "First argument must be a number (log level).");
    level = lua_tointeger(L, 1);
    if (level < LOG_AT_DEBUG || level > LOG_AT_WARNING) return api_raise(L, "Invalid debug level.");
    for (int i = 2; i <= n; i++) {
        size_t len;
        const char *p = lua_tolstring(L, i, &len);

        if (!p) continue;
        if (i > 2) bytes_append_char(&text, ' ');
        bytes_append(&text, p, len < 1024 ? len : 1024);
    }
    log_at((enum log_level)level, "%s", bytes_cstr(&text));
    bytes_release(&text);
    return 0;
}

static int api_setresp(lua_State *L) {
    lua_Number v;

    if (lua_gettop(L) != 1) return api_raise(L, "redis.setresp() requires one argument.");
    v = lua_tonumber(L, 1);
    if (v != 2 && v != 3) return api_raise(L, "RESP version must be 2 or 3.");
    scripting_of(L)->run.resp = (int)v;
    return 0;
}

enum { REPL_REPLICA = 2 };

/* Keeps what the script does from the replicas, or no longer. The AOF gets all of it: a change that
 * was acknowledged is there after a restart. */
static int api_set_repl(lua_State *L) {
    lua_Number v;

    if (lua_gettop(L) != 1) return api_raise(L, "redis.set_repl() requires one argument.");
    v = lua_tonumber(L, 1);
    if (v < 0 || v > 3)
        return api_raise(L, "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or "
                            "REPL_NONE.");
    scripting_of(L)->e->propagation.withhold = !((int)v & REPL_REPLICA);
    return 0;
}

static int api_true(lua_State *L) {
    lua_pushboolean(L, true);
    return 1;
}

static int api_nothing(lua_State *L) {
    lua_pushboolean(L, false);
    return 1;
}

static int api_debug(lua_State *L) {
    (void)L;
    return 0;
}

static int api_acl_check(lua_State *L) {
    struct scripting *sc = scripting_of(L);
    const struct call *x = sc->run.outer;
    int argc = lua_gettop(L);
    const char *why = collect_args(sc, L, argc);
    const struct command_slot *cmd;
    bool unknown_sub;

    if (why) return api_raise(L, why);
    if (!x) return api_raise(L, "redis.acl_check_cmd can only be called inside a script");
    cmd = command_resolve(&sc->e->commands, argc, sc->argv, &unknown_sub);
    if (!cmd || unknown_sub) return api_raise(L, "Invalid command passed to redis.acl_check_cmd()");
    lua_pushboolean(L, acl_check(x->s->user, acl_place_of(x), cmd, argc, sc->argv, NULL) == ACL_OK);
    return 1;
}

static void set_numbers(lua_State *L) {
    static const struct {
        const char *name;
        int v;
    } numbers[] = {{"LOG_DEBUG", LOG_AT_DEBUG},
                   {"LOG_VERBOSE", LOG_AT_VERBOSE},
                   {"LOG_NOTICE", LOG_AT_NOTICE},
                   {"LOG_WARNING", LOG_AT_WARNING},
                   {"REPL_NONE", 0},
                   {"REPL_AOF", 1},
                   {"REPL_SLAVE", 2},
                   {"REPL_REPLICA", 2},
                   {"REPL_ALL", 3},
                   {"REDIS_VERSION_NUM", 0x00070404}};

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        lua_pushinteger(L, numbers[i].v);
        lua_setfield(L, -2, numbers[i].name);
    }
}

void api_open(lua_State *L) {
    static const luaL_Reg functions[] = {{"call", api_call},
                                         {"pcall", api_pcall},
                                         {"error_reply", api_error_reply},
                                         {"status_reply", api_status_reply},
                                         {"sha1hex", api_sha1hex},
                                         {"log", api_log},
                                         {"setresp", api_setresp},
                                         {"set_repl", api_set_repl},
                                         {"replicate_commands", api_true},
                                         {"breakpoint", api_nothing},
                                         {"debug", api_debug},
                                         {"acl_check_cmd", api_acl_check},
                                         {NULL, NULL}};

    lua_newtable(L);
    luaL_register(L, NULL, functions);
    set_numbers(L);
    lua_pushliteral(L, "7.4.4");
    lua_setfield(L, -2, "REDIS_VERSION");
}
