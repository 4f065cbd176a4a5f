/* SPDX-License-Identifier: BSD-3-Clause
 *
 * acl - rules of users. The first line is a command for a check, the others are an ACL file, and
 * lines of a configuration. What is accepted is the same once written and read; which commands it
 * allows does not change either.
 */
#include "tests/fuzz/kit/fuzz.h"

#include "conf/conf.h"
#include "protocol/request.h"
#include "server/admin/admin.h"
#include "server/commands/commands.h"
#include "server/exec/acl_check.h"
#include "server/exec/acl_file.h"
#include "server/exec/keyspec.h"
#include "server/exec/turn.h"
#include "server/scripting/scripting.h"
#include "storage/base/io.h"
#include "storage/base/mem.h"

#include <stdio.h>
#include <unistd.h>

static struct command_registry commands;
static struct acl_terms terms = {.commands = &commands};

static void register_all(void) {
    if (commands.n) return;
    commands_register(&commands);
    admin_register(&commands);
    scripting_register(&commands);
    command_registry_seal(&commands);
}

enum { KEYS_MAX = 64 };

static const struct acl_place place = {0, 16};

/* What is refused is said in words. Any argument may be a channel. */
static void check_refusal(const struct acl_user *u, const struct command_slot *cmd, int argc,
                          const struct slice *argv) {
    struct bytes text = {0};
    int at = 0;
    enum acl_verdict why = acl_check(u, place, cmd, argc, argv, &at);

    for (int full = 0; full < 2 && why != ACL_OK; full++) {
        bytes_clear(&text);
        acl_refusal(why, u, cmd, argv[at], full, &text);
        CHECK(text.n > 0);
    }
    for (size_t i = 0; i < u->nselectors; i++)
        for (int k = 0; k < 2 * argc; k++)
            acl_allows_channel(&u->selectors[i]->channels, argv[k / 2], k & 1);
    bytes_release(&text);
}

static void check_command(const struct acl_users *a, const struct acl_users *b, struct slice line) {
    struct request_args args = {0};
    char *copy = fuzz_copy(line);
    struct command_slot *cmd = NULL;
    struct key_use keys[KEYS_MAX];
    bool unknown;
    int argc, n;

    if (request_split_line(copy, line.n, &args) && args.n)
        cmd = command_resolve(&commands, (int)args.n, args.v, &unknown);
    argc = (int)args.n;
    if (cmd && cmd->row->fn && command_arity_ok(cmd->row, argc)) {
        n = keyspec_keys(cmd->row, argc, args.v, keys, KEYS_MAX);
        for (int i = 0; i < n && i < KEYS_MAX; i++) CHECK(keys[i].at > 0 && keys[i].at < argc);
        for (size_t i = 0; i < a->n && i < b->n; i++) {
            int at = 0, at_b = 0;

            CHECK(acl_check(a->v[i], place, cmd, argc, args.v, &at) ==
                  acl_check(b->v[i], place, cmd, argc, args.v, &at_b));
            CHECK(at == at_b && at < argc);
            acl_reads_everything(a->v[i], place, cmd, argc, args.v);
            check_refusal(a->v[i], cmd, argc, args.v);
        }
    }
    mem_free(args.v);
    mem_free(copy);
}

static void check_file(struct slice text, struct slice command) {
    struct acl_users users = {0}, back = {0};
    struct bytes errors = {0}, first = {0}, second = {0};

    if (acl_file_parse(text, "file", &terms, &users, &errors) == 0) {
        acl_file_text(&users, &first);
        CHECK(acl_file_parse(bytes_slice(&first), "again", &terms, &back, &errors) == 0);
        acl_file_text(&back, &second);
        CHECK(slice_eq(bytes_slice(&first), bytes_slice(&second)));
        CHECK(users.n == back.n);
        check_command(&users, &back, command);
    } else {
        CHECK(errors.n > 0);
    }
    acl_users_release(&users);
    acl_users_release(&back);
    bytes_release(&errors);
    bytes_release(&first);
    bytes_release(&second);
}

/* ---------------------------------------------------------------- a start */

static void no_wake(void *arg) {
    (void)arg;
}

static struct engine started;

/* An engine of the configuration file `path`. NULL: the configuration is wrong, or the users are.
 */
static struct conf *start(const char *path) {
    char *argv[] = {"stet", (char *)path, NULL};
    struct aof_options o = {.names = {"/none", "none", "none", "none"}};
    struct aof_hooks hooks = {.wake = no_wake};
    struct conf *c = conf_new();
    struct err e;

    if (conf_load_args(c, 2, argv, &e) < 0) {
        conf_free(c);
        return NULL;
    }
    started = (struct engine){0};
    keyspace_init(&started.ks, 1);
    commands_register(&started.commands);
    admin_register(&started.commands);
    command_registry_seal(&started.commands);
    engine_init(&started, c, aof_new(&started.ks, &o, &hooks));
    return c;
}

static void stop(struct conf *c) {
    struct aof *aof = started.aof;

    engine_release(&started);
    aof_stop(aof, 1000);
    conf_free(c);
}

/* The users of a server whose configuration is `text` are the same after CONFIG REWRITE, or ACL
 * SAVE and LOAD, and another start. */
static void check_start(struct slice text, bool has_file) {
    const char *path = fuzz_disk_file(text);
    struct conf *c = start(path);
    struct bytes before = {0}, after = {0}, why = {0};
    struct err e;

    if (c && acl_start(&started) == 0) {
        acl_file_text(&started.acl->users, &before);
        if (has_file)
            CHECK(acl_save_finish(acl_save_begin(&started), &e) == 0 &&
                  acl_load(&started, &why) == 0);
        CHECK(conf_rewrite(c, &e) == 0);
        stop(c);
        c = start(path);
        CHECK(c && acl_start(&started) == 0);
        acl_file_text(&started.acl->users, &after);
        CHECK(slice_eq(bytes_slice(&before), bytes_slice(&after)));
    }
    if (c) stop(c);
    bytes_release(&before);
    bytes_release(&after);
    bytes_release(&why);
}

/* Only lines that begin with "user", so that nothing else of the process is set. */
static void check_lines(struct slice text) {
    struct bytes lines = {0};

    while (text.n) {
        const char *nl = memchr(text.p, '\n', text.n);
        size_t n = nl ? (size_t)(nl - text.p) + 1 : text.n;

        if (n > 5 && strncmp(text.p, "user ", 5) == 0) bytes_append(&lines, text.p, n);
        text.p += n;
        text.n -= n;
    }
    check_start(bytes_slice(&lines), false);
    bytes_release(&lines);
}

/* One start with each form of the configuration; `path` is the file of users. */
static void check_with(const char *path, const char *form) {
    struct bytes lines = {0};

    bytes_printf(&lines, form, path);
    check_start(bytes_slice(&lines), true);
    bytes_release(&lines);
}

static void check_in_file(struct slice text) {
    char path[128];
    struct err e;

    snprintf(path, sizeof path, "%s.acl", fuzz_disk_file(SLICE("")));
    CHECK(io_rewrite(path, text, &e) == 0);
    check_with(path, "aclfile %s\nrequirepass x\n");
    check_with(path, "aclfile %s.none\n");
    check_with(path, "aclfile %s\nuser a on\n");
    unlink(path);
}

FUZZ_TARGET(acl) {
    struct slice input, command;
    const char *nl;
    char *copy;

    fuzz_begin();
    register_all();
    if (size > 16384) return 0;
    copy = fuzz_copy(slice_of(data, size));
    input = slice_of(copy, size);
    nl = size ? memchr(input.p, '\n', input.n) : NULL;
    command = slice_of(input.p, nl ? (size_t)(nl - input.p) : input.n);
    terms.all_channels = size & 1;
    if (nl) {
        struct slice users = slice_of(nl + 1, input.n - command.n - 1);

        check_file(users, command);
        fuzz_on_disk(true);
        if (size & 2) check_lines(users);
        if (size & 4) check_in_file(users);
        fuzz_on_disk(false);
    }
    mem_free(copy);
    return 0;
}
