/* SPDX-License-Identifier: BSD-3-Clause
 *
 * interp - the one Lua interpreter, and the script that it runs.
 *
 * Nothing of Lua is called outside a protected call but what cannot fail: a script may leave a
 * finalizer, and memory may run out. What a call needs again and again stands at fixed places of
 * the interpreter's stack. One script runs at a time; scripts do not run scripts.
 */
#ifndef STET_SCRIPTING_INTERP_H
#define STET_SCRIPTING_INTERP_H

#include "server/scripting/scripting.h"
#include "storage/base/list.h"
#include "storage/base/sha1.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdlib.h>

/* What stands where on the main stack, always. */
enum {
    AT_GLOBALS = 1,      /* what scripts read their globals from; they see a protected view of it */
    AT_VIEW,             /* that view: the environment of every script */
    AT_FUNCTION_GLOBALS, /* the same for functions of libraries */
    AT_FUNCTION_VIEW,
    AT_FUNCTION_META, /* the metatable of that view */
    AT_LOAD,          /* runs the code of a library: see library.c */
    AT_KEYS,          /* the name "KEYS" */
    AT_ARGV,
    AT_ON_ERROR, /* makes an error a table with its place */
    AT_REPORT,   /* answers with an error */
    AT_SHARED,   /* tables for KEYS and ARGV that no script can hold on to */
    AT_SHARED_ARGV,
    AT_INVOKE, /* runs what sc->run says */
    AT_TOP = AT_INVOKE
};

enum script_flags {
    SCRIPT_NO_WRITES = 1 << 0,
    SCRIPT_ALLOW_OOM = 1 << 1,
    SCRIPT_ALLOW_STALE = 1 << 2,
    SCRIPT_NO_CLUSTER = 1 << 3,
    SCRIPT_CROSS_SLOT = 1 << 4,
    SCRIPT_COMPAT = 1 << 5, /* without a shebang: commands are checked one by one */
    SCRIPT_DIRECT = 1 << 6, /* assigns to no global: reads them without the view */
    SCRIPT_PLAIN = 1 << 7,  /* and knows no way to them but their names */
    SCRIPT_KEYS = 1 << 8,   /* says KEYS */
    SCRIPT_ARGV = 1 << 9,
    SCRIPT_HOLDS_KEYS = 1 << 10, /* may hold on to the table, or change it */
    SCRIPT_HOLDS_ARGV = 1 << 11,
};

struct script {
    struct script *next; /* in its bucket */
    struct list aged;    /* in scripting.aged if it came with EVAL */
    uint8_t sha[SHA1_BYTES];
    char hex[SHA1_HEX + 1];
    unsigned flags;
    int ref; /* of the compiled function, in the registry */
    bool evictable;
    size_t n;
    char body[];
};

/* The script under way. */
struct run {
    struct call *outer; /* NULL: none */
    const char *name;   /* its digest, or the function's name */
    int ref;
    unsigned flags;
    const struct slice *keys, *args;
    int nkeys, nargs;
    bool is_function; /* gets keys and arguments as parameters */
    bool returned;    /* what fails now is the answer */
    int resp;         /* of replies to redis.call */
    int slot;         /* of the keys so far, in a cluster; -1: none yet */
    bool wrote;
    bool told; /* it wrote, or called what others are told of: they must not know before its end */
    bool killed;
    volatile unsigned ticks; /* of the processor's time, since it began: see watch.c */
    unsigned polled;         /* ticks at the last script_poll */
    uint64_t began_ns;       /* about: taken at the first look at the clock */
};

/* What scripts see as KEYS or ARGV is the shared table, and how many elements that has. */
struct shared_list {
    bool shown;
    int n;
};

struct function_library;
struct function_set;
struct cjson;

/* The library that is being loaded. */
struct library_loading {
    struct function_library *library;
    struct slice code;
    uint64_t deadline_ns; /* 0: none */
    bool compiled;
};

enum { SCRIPT_BUCKETS = 1024 };

/* Commands that scripts have called, by where Lua keeps the name: what stands there is compared,
 * for it may be another string by now. */
struct known_command {
    const char *at;
    size_t n;
    char name[24];
    struct command_slot *slot; /* of a command without subcommands */
};

enum { KNOWN_COMMANDS = 64 };

struct scripting {
    struct engine *e;
    lua_State *L;
    struct run run;
    lua_State *volatile current; /* the coroutine that runs, or L */
    struct script *buckets[SCRIPT_BUCKETS];
    struct script *recent; /* the one found last; NULL: none */
    struct shared_list shared[2];
    struct list aged;
    size_t naged;
    struct function_set *functions;
    struct library_loading *loading; /* NULL: none */

    struct out out;     /* what a command answers to the script */
    struct bytes flat;  /* the same in one piece, if it is not */
    struct bytes text;  /* what a library is writing */
    struct slice *argv; /* of a command, and room for the numbers in it */
    char *digits;
    int argv_cap;
    size_t
        collect_above; /* how much Lua may hold after a script before it has to look for garbage */
    struct drand48_data random;
    struct drand48_data random_kept; /* what it is without math.randomseed of the script */
    bool seeded;                     /* by the script under way, or the last one */
    size_t steps;        /* of work within functions of ours, since the script was looked at */
    struct cjson *cjson; /* settings of the table `cjson`, for one script only */
    struct known_command known[KNOWN_COMMANDS];
};

struct scripting *scripting_of(lua_State *L);

/* ---------------------------------------------------------------- parts of it */

/* interp.c: runs `run.ref` as sc->run says; answers x. */
int script_run(struct call *x, struct run run);

/* Called between two instructions, now and then. */
void script_on_count(lua_State *L, lua_Debug *ar);

/* The same for C functions that take long. May serve others, and raise an error. */
void script_look(lua_State *L);

/* The same, if some milliseconds have passed: for C functions that call functions in a loop. */
void script_poll(lua_State *L);

/* watch.c: from the beginning of a script on, script_on_count is called if it runs long. */
enum { WATCH_INSTRUCTIONS = 100000 /* about a millisecond */, WATCH_TICK_US = 10000 };
void watch_begin(struct scripting *sc);
void watch_stop(void);

/* At the end of script_on_count. */
void watch_again(struct scripting *sc, lua_State *L);

/* SCRIPT KILL and FUNCTION KILL: answers x. */
int script_kill(struct call *x, bool function);

/* Compiles; the function's reference, or LUA_NOREF and the error's text in `why`. `looked`: what
 * bytecode_look found. */
int script_compile(struct scripting *sc, const char *chunk, struct slice code, unsigned *looked,
                   struct bytes *why);

/* bytecode.c: what the function on top, or one within it, does with globals. */
enum {
    BYTECODE_SETS_GLOBAL = 1 << 0,
    BYTECODE_KEYS = 1 << 1, /* says KEYS */
    BYTECODE_ARGV = 1 << 2,
    BYTECODE_HOLDS_KEYS = 1 << 3, /* does more with the table than to look at elements and length */
    BYTECODE_HOLDS_ARGV = 1 << 4,
    BYTECODE_INDIRECT = 1 << 5, /* has ways to globals without their names */
    BYTECODE_ALL = (1 << 6) - 1
};
unsigned bytecode_look(lua_State *L);

/* cache.c */
struct script *script_find(struct scripting *sc, const uint8_t sha[SHA1_BYTES]);
struct script *script_find_hex(struct scripting *sc, struct slice hex);

/* Compiles and keeps; NULL: answered with an error. */
struct script *script_add(struct call *x, struct slice body, const uint8_t sha[SHA1_BYTES],
                          bool evictable);
unsigned script_flag(struct slice name); /* 0: there is none of that name */
void script_keep(struct scripting *sc, struct script *s);
void script_flush(struct scripting *sc);

/* sandbox.c: fills the fixed places of the stack; leaves globals as scripts may see them. */
void sandbox_open(lua_State *L);

/* Makes reading what is not in the table on top an error. */
void sandbox_complain(lua_State *L);

/* Replaces the table on top by a view of it that cannot be changed. */
void sandbox_protect(lua_State *L);

/* api.c: pushes the table `redis`. */
void api_open(lua_State *L);

/* Raises a table {err=...}; a text without a code gets ERR. */
int api_raise(lua_State *L, const char *text);

/* eval.c: what a script's flags promise is checked before it begins. -1: answered. */
int script_check_flags(struct call *x, unsigned flags, bool read_only);

/* The slot of the keys that the command declares; -1: it declares none, or there is no cluster. */
int script_slot(const struct call *x, int nkeys);

/* convert.c */
void convert_to_lua(struct scripting *sc, lua_State *L); /* what is in sc->out, pushed */
void convert_to_reply(lua_State *L, struct reply *r, int script_resp); /* pops one value */

/* library.c: raises an error if the library that is loading takes too long. */
void library_look(lua_State *L);

/* What a library may write at the most. */
#define LIB_TEXT_MAX (1ull << 30)

/* The longest string that Lua gets memory for. */
#define LIB_STRING_MAX ((512ull << 20) - 64)

/* Pushes what stands in sc->text as a string, and gives back what was too much of it. */
void lib_push_text(lua_State *L);

/* Libraries: each pushes its table. */
void lib_bit_open(lua_State *L);

/* Functions of ours into the table on top, in place of Lua's. */
void lib_string_guard(lua_State *L);
void lib_coroutine_guard(lua_State *L);
void lib_table_guard(lua_State *L);

void lib_struct_open(lua_State *L);
void lib_cmsgpack_open(lua_State *L);
void lib_cjson_open(lua_State *L);
void lib_cjson_reset(struct cjson *c); /* settings as they are at first */

extern const struct command eval_commands[];

#endif
