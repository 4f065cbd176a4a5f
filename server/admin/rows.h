/* SPDX-License-Identifier: BSD-3-Clause
 *
 * rows - what the files of this folder share: the command tables, and the way to the application.
 */
#ifndef STET_ADMIN_ROWS_H
#define STET_ADMIN_ROWS_H

#include "server/admin/admin.h"
#include "server/exec/call.h"

/* enable-debug-command and similar parameters: `who` is the parameter's value. */
bool admin_is_allowed(const struct call *x, int64_t who);

extern const struct command acl_commands[];
extern const struct command connection_commands[];
extern const struct command client_commands[];
extern const struct command config_commands[];
extern const struct command command_commands[];
extern const struct command info_commands[];
extern const struct command debug_commands[];
extern const struct command server_commands[];
extern const struct command slowlog_commands[];
extern const struct command latency_commands[];
extern const struct command memory_commands[];
extern const struct command doctor_commands[];
extern const struct command lolwut_commands[];
extern const struct command save_commands[];
extern const struct command backup_commands[];
extern const struct command module_commands[];
extern const struct command hotkeys_commands[];

/* Never NULL: an engine without an application (unit tests) has an empty one. */
struct admin_app *app_of(const struct engine *e);

/* The flags of nearly every row here. */
enum {
    CMD_ANYTIME = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
    CMD_OPERATOR = CMD_ADMIN | CMD_ANYTIME,
    CMD_HELP = CMD_LOADING | CMD_STALE,
};

/* True if text has only characters from '!' to '~': names that fit into one column of CLIENT LIST.
 */
bool is_plain_name(struct slice text);

/* The letters of CLIENT LIST's flags. */
void client_flags(struct bytes *b, const struct session *s);

/* NULL: no client has this id, or its connection is being closed. */
struct session *client_by_id(const struct engine *e, uint64_t id);

/* reload.c */
int cmd_config_reload(struct call *x);

/* client_tracking.c, for the rows in client.c */
int cmd_client_tracking(struct call *x);
int cmd_client_trackinginfo(struct call *x);
int cmd_client_caching(struct call *x);
int cmd_client_getredir(struct call *x);

#define ERR_CLIENT_NAME "ERR Client names cannot contain spaces, newlines or special characters."

/* Sets or, if empty, removes the name of a client. */
void client_rename(struct session *s, struct slice name);

#endif
