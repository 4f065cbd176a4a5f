/* SPDX-License-Identifier: BSD-3-Clause
 *
 * module - there are no modules, and none can be loaded.
 */
#include "conf/conf.h"
#include "server/admin/rows.h"

#include "storage/base/log.h"

static int cmd_module(struct call *x) {
    return reply_subcommand_err(x);
}

static int cmd_module_list(struct call *x) {
    reply_array(&x->r, 0);
    return 0;
}

static int refuse_access(struct call *x) {
    return reply_err(x, "ERR MODULE command not allowed. If the enable-module-command option is "
                        "set to \"local\", you can run it from a local connection, otherwise you "
                        "need to set this option in the configuration file, and then restart the "
                        "server.");
}

static int cmd_module_load(struct call *x) {
    if (!admin_is_allowed(x, x->e->v->enable_module_command)) return refuse_access(x);
    log_warning("MODULE LOAD: this server loads no modules");
    return reply_err(x, "ERR Error loading the extension. Please check the server logs.");
}

static int cmd_module_unload(struct call *x) {
    if (!admin_is_allowed(x, x->e->v->enable_module_command)) return refuse_access(x);
    return reply_err(x, "ERR Error unloading module: no such module with that name");
}

static int cmd_module_help(struct call *x) {
    static const char *const lines[] = {
        "LIST",
        "    Lists the modules that are loaded: none.",
        "LOAD <path> [<arg> ...]",
        "    Refused: this server loads no modules.",
        "LOADEX <path> [[CONFIG NAME VALUE] [CONFIG NAME VALUE]] [ARGS ...]",
        "    Refused, too.",
        "UNLOAD <name>",
        "    There is none to unload.",
        NULL,
    };

    reply_help(x, lines);
    return 0;
}

/* clang-format off */
static const struct command module_subcommands[] = {
    {"help", 2, CMD_LOADING | CMD_STALE, "server", {0, 0, 0}, cmd_module_help, "5.0.0",
     "Lists the subcommands."},
    {"list", 2, CMD_ADMIN | CMD_NOSCRIPT, "server", {0, 0, 0}, cmd_module_list, "4.0.0",
     "Lists the modules that are loaded.",
     .tips = "nondeterministic_output_order"},
    {"load", -3, CMD_ADMIN | CMD_NO_ASYNC_LOADING | CMD_NOSCRIPT, "server", {0, 0, 0},
     cmd_module_load, "4.0.0",
     "Loads a module.",
     .grammar = "path [arg+]"},
    {"loadex", -3, CMD_ADMIN | CMD_NO_ASYNC_LOADING | CMD_NOSCRIPT, "server", {0, 0, 0},
     cmd_module_load, "7.0.0",
     "Loads a module with parameters.",
     .grammar = "path [CONFIG=configs{name value}++] [ARGS=args+]"},
    {"unload", 3, CMD_ADMIN | CMD_NO_ASYNC_LOADING | CMD_NOSCRIPT, "server", {0, 0, 0},
     cmd_module_unload, "4.0.0",
     "Unloads a module.",
     .grammar = "name"},
    {0},
};

const struct command module_commands[] = {
    {"module", -2, 0, "server", {0, 0, 0}, cmd_module, "4.0.0",
     "Works with modules.",
     .subcommands = module_subcommands},
    {0},
};
/* clang-format on */
