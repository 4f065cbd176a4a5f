/* SPDX-License-Identifier: BSD-3-Clause
 *
 * stet-backup - backups outside of the server: take one, copy it, verify it, list them, and say how
 * one is restored. Only `take` needs a server, and none changes a backup.
 */
#include "tools/backup.h"

#include "persistence/aof_history.h"
#include "storage/base/clock.h"
#include "storage/base/io.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

const char *argp_program_version = "stet-backup " STET_VERSION;

struct options {
    const char *command, *args[2];
    size_t nargs;
    bool json;
    const char *moment, *data, *config; /* restore */
    const char *copy_to;                /* take */
    int64_t keep;                       /* take; -1: all */
    struct backup_server server;
};

/* ---------------------------------------------------------------- words */

static int fail(const struct err *e) {
    fprintf(stderr, "stet-backup: %s\n", e->text);
    return 1;
}

/* "2026-11-30 08:15:00 UTC (1796026500000)" */
static void print_moment(int64_t ms) {
    time_t s = (time_t)(ms / 1000);
    char text[40] = "?";
    struct tm tm;

    if (gmtime_r(&s, &tm)) strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &tm);
    printf("%s (%lld)", text, (long long)ms);
}

/* In quotes for a shell. */
static void print_quoted(const char *text) {
    putchar('\'');
    for (; *text; text++)
        if (*text == '\'')
            fputs("'\\''", stdout);
        else
            putchar(*text);
    putchar('\'');
}

static void print_json_text(const char *text) {
    putchar('"');
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c < 0x20)
            printf("\\u%04x", c);
        else
            putchar(c);
    }
    putchar('"');
}

/* ---------------------------------------------------------------- list */

struct listing {
    const struct options *o;
    const char *dir;
    char **names;
    size_t n;
    bool is_first; /* of the JSON */
};

static bool note_name(void *arg, const char *name) {
    struct listing *l = arg;

    if (strncmp(name, "backup-", 7) != 0 || !backup_is_plain(name)) return true;
    l->names = mem_realloc(l->names, (l->n + 1) * sizeof *l->names);
    l->names[l->n++] = mem_strdup(name);
    return true;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_partial(const char *name) {
    size_t n = strlen(name);

    return n > 8 && strcmp(name + n - 8, ".partial") == 0;
}

static void list_as_json(struct listing *l, const struct backup *b, const char *state,
                         const char *why) {
    printf("%s\n  {\"path\": ", l->is_first ? "" : ",");
    l->is_first = false;
    print_json_text(b->path);
    printf(", \"state\": \"%s\", \"files\": %zu, \"bytes\": %llu, \"sealed_ms\": %lld, "
           "\"position\": %llu, \"first_ms\": %lld, \"last_ms\": %lld, \"error\": ",
           state, b->m.n, (unsigned long long)b->bytes, (long long)b->seal.ms,
           (unsigned long long)b->seal.position, (long long)b->first_ms, (long long)b->last_ms);
    print_json_text(why);
    putchar('}');
}

static void list_as_text(const struct backup *b, const char *state, const char *why) {
    printf("%s\n  %s", b->path, state);
    if (why[0]) {
        printf(": %s\n", why);
        return;
    }
    printf(", %zu files, %llu bytes", b->m.n, (unsigned long long)b->bytes);
    if (b->is_sealed) {
        printf(", sealed ");
        print_moment(b->seal.ms);
        printf(" at position %llu", (unsigned long long)b->seal.position);
    }
    putchar('\n');
    if (!b->first_ms || !b->last_ms) {
        puts("  restores its end only: the files do not say their times");
        return;
    }
    printf("  restores any moment from ");
    print_moment(b->first_ms);
    printf(" to ");
    print_moment(b->last_ms);
    putchar('\n');
}

static void list_one(struct listing *l, const char *path, const char *state_otherwise) {
    const char *state = state_otherwise;
    struct err e = {0};
    struct backup b;

    if (backup_open(&b, path, &e) == 0) {
        if (b.is_sealed) state = "sealed";
        backup_find_moments(&b);
    }
    if (l->o->json)
        list_as_json(l, &b, state, e.text);
    else
        list_as_text(&b, state, e.text);
    backup_close(&b);
}

/* A directory of backups; one backup; or the directory of an AOF with its history. */
static int list(const struct options *o) {
    struct listing l = {.o = o, .dir = o->args[0], .is_first = true};
    struct err e;
    int fd = io_open_dir(l.dir, false, &e);

    if (fd < 0) return fail(&e);
    io_list(fd, note_name, &l, NULL);
    io_close(fd);
    if (l.n) qsort(l.names, l.n, sizeof *l.names, by_name);
    if (o->json) putchar('[');
    for (size_t i = 0; i < l.n; i++) {
        struct bytes path = {0};

        bytes_printf(&path, "%s/%s", l.dir, l.names[i]);
        list_one(&l, bytes_cstr(&path), is_partial(l.names[i]) ? "partial" : "not sealed");
        bytes_release(&path);
        mem_free(l.names[i]);
    }
    if (l.n == 0) list_one(&l, l.dir, "append-only file");
    if (o->json) puts("\n]");
    mem_free(l.names);
    return 0;
}

/* ---------------------------------------------------------------- verify, copy */

static int verify(const struct options *o) {
    struct backup b;
    struct err e;
    bool has_sums = false;
    int rc = backup_open(&b, o->args[0], &e);

    if (rc == 0) rc = backup_verify(&b, &has_sums, &e);
    if (rc == 0)
        printf("%s: whole, %zu files, %llu bytes, %s\n", b.path, b.m.n, (unsigned long long)b.bytes,
               has_sums ? "equal to " BACKUP_SUMS
                        : "by the checksums of its files (no " BACKUP_SUMS ")");
    backup_close(&b);
    return rc == 0 ? 0 : fail(&e);
}

static int copy_from(const char *from, const char *to) {
    struct backup b;
    struct err e;
    int rc = backup_open(&b, from, &e);

    if (rc == 0) rc = backup_copy(&b, to, &e);
    if (rc == 0) printf("copied: %s/%s, %llu bytes\n", to, b.id, (unsigned long long)b.bytes);
    backup_close(&b);
    return rc == 0 ? 0 : fail(&e);
}

static int copy(const struct options *o) {
    return copy_from(o->args[0], o->args[1]);
}

/* ---------------------------------------------------------------- take */

static int take(const struct options *o) {
    char path[4096];
    struct err e;

    if (backup_take(&o->server, path, &e) < 0) return fail(&e);
    printf("sealed: %s\n", path);
    if (o->copy_to && copy_from(path, o->copy_to) != 0) return 1;
    if (o->keep >= 0 && backup_thin(&o->server, (size_t)o->keep, &e) < 0) return fail(&e);
    return 0;
}

/* ---------------------------------------------------------------- restore */

static int check_moment(struct backup *b, const char *text, struct err *e) {
    struct aof_moment to;

    if (aof_moment_parse(text, &to, e) < 0) return -1;
    if (to.by_time) backup_find_moments(b);
    if (!to.by_time || !b->first_ms) return 0;
    if (to.ms >= b->first_ms && to.ms <= b->last_ms) return 0;
    return err_set(e, ERANGE, "this backup restores moments from %lld to %lld ms only",
                   (long long)b->first_ms, (long long)b->last_ms);
}

static void print_move(const char *data, const char *name, long long now_s) {
    struct bytes path = {0};

    bytes_printf(&path, "%s/%s", data, name);
    if (access(bytes_cstr(&path), F_OK) == 0) {
        printf("mv ");
        print_quoted(bytes_cstr(&path));
        bytes_printf(&path, ".before-restore-%lld", now_s);
        putchar(' ');
        print_quoted(bytes_cstr(&path));
        putchar('\n');
    }
    bytes_release(&path);
}

static void print_start(const struct options *o, const struct backup *b, const char *from) {
    printf("stet-server");
    if (o->config) putchar(' '), print_quoted(o->config);
    printf(" --dir ");
    print_quoted(o->data);
    printf(" --daemonize no --appendonly yes");
    if (strcmp(b->stem, "appendonly.aof") != 0) printf(" --appendfilename "), print_quoted(b->stem);
    printf(" --restore-from ");
    print_quoted(from);
    if (o->moment) printf(" --recover-to "), print_quoted(o->moment);
    putchar('\n');
}

/* The commands, and nothing else that a shell would carry out. */
static int restore(const struct options *o) {
    char *from = realpath(o->args[0], NULL), *data = o->data ? realpath(o->data, NULL) : NULL;
    struct options with = *o;
    struct backup b;
    struct err e;
    int rc = backup_open(&b, o->args[0], &e);

    with.data = data;
    if (rc == 0 && !b.is_sealed) rc = err_set(&e, EINVAL, "'%s' was never sealed", b.path);
    if (rc == 0 && o->data && !data) rc = err_set(&e, errno, "'%s': %s", o->data, strerror(errno));
    if (rc == 0 && !data) rc = err_set(&e, EINVAL, "give the server's directory: --dir DIR");
    if (rc == 0 && o->moment) rc = check_moment(&b, o->moment, &e);
    if (rc == 0) {
        printf("# 1. Stop the server that uses '%s'.\n"
               "# 2. Put its data aside (nothing is printed here for what is not there):\n",
               data);
        print_move(data, "appendonlydir", clock_wall_ms() / 1000);
        print_move(data, "appendonly.aof", clock_wall_ms() / 1000);
        print_move(data, "dump.rdb", clock_wall_ms() / 1000);
        puts("# 3. Start once with these options, as the user that the server runs as:");
        print_start(&with, &b, from);
        puts("# 4. Look at the data. To keep it: stop this server, and start it as always.\n"
             "#    To undo: stop it, remove what it has made, give the moved files their old "
             "names.");
    }
    backup_close(&b);
    free(from); /* realpath()'s, of libc */
    free(data);
    return rc == 0 ? 0 : fail(&e);
}

/* ---------------------------------------------------------------- the command line */

static const struct {
    const char *name;
    size_t args;
    int (*run)(const struct options *o);
} commands[] = {{"list", 1, list},
                {"verify", 1, verify},
                {"copy", 2, copy},
                {"restore", 1, restore},
                {"take", 0, take}};

enum { KEY_JSON = 1000, KEY_TO, KEY_DIR, KEY_CONFIG, KEY_COPY_TO, KEY_KEEP, KEY_USER, KEY_TLS };

/* In the order of `files` in take_tls_file(). */
enum { KEY_SNI = 1100, KEY_CACERT, KEY_CACERTDIR, KEY_CERT, KEY_KEY, KEY_INSECURE };

static const struct argp_option argp_options[] = {
    {"json", KEY_JSON, NULL, 0, "list: print JSON", 0},
    {"dir", KEY_DIR, "DIR", 0, "restore: the directory of the server (its parameter 'dir')", 1},
    {"config", KEY_CONFIG, "FILE", 0, "restore: its configuration file", 1},
    {"to", KEY_TO, "MOMENT", 0,
     "restore: a unix time in milliseconds, or position:N, instead of the end of the backup", 1},
    {"host", 'h', "HOST", 0, "take: where the server is (127.0.0.1)", 2},
    {"port", 'p', "PORT", 0, "take: its port (6379)", 2},
    {"socket", 's', "PATH", 0, "take: its unix socket instead", 2},
    {"user", KEY_USER, "NAME", 0,
     "take: as this user; the password is in STET_PASSWORD or REDISCLI_AUTH", 2},
    {"tls", KEY_TLS, NULL, 0, "take: over TLS; its name is not compared with the certificate's", 2},
    {"cacert", KEY_CACERT, "FILE", 0, "take: trust these authorities instead of the system's", 2},
    {"cacertdir", KEY_CACERTDIR, "DIR", 0, "take: the same, as a directory", 2},
    {"cert", KEY_CERT, "FILE", 0, "take: the certificate to show, with --key", 2},
    {"key", KEY_KEY, "FILE", 0, "take: its key", 2},
    {"sni", KEY_SNI, "NAME", 0, "take: the name to ask for", 2},
    {"insecure", KEY_INSECURE, NULL, 0, "take: any certificate is good", 2},
    {"copy-to", KEY_COPY_TO, "DIR", 0, "take: copy it to DIR, as 'copy' does", 2},
    {"keep", KEY_KEEP, "N", 0, "take: remove older backups of the server, but for the newest N", 2},
    {0}};

static void take_tls_file(struct tls_client *tls, int key, const char *arg) {
    const char **files[] = {&tls->server_name, &tls->ca_file, &tls->ca_dir, &tls->cert_file,
                            &tls->key_file};

    *files[key - KEY_SNI] = arg;
}

static void check_tls(const struct backup_server *s, struct argp_state *state) {
    const struct tls_client *t = &s->tls;

    if (!t->cert_file != !t->key_file) argp_error(state, "--cert and --key belong together");
    if (!s->use_tls && (t->ca_file || t->ca_dir || t->cert_file || t->server_name || t->insecure))
        argp_error(state, "--cacert, --cacertdir, --cert, --sni and --insecure need --tls");
}

static error_t parse_option(int key, char *arg, struct argp_state *state) {
    struct options *o = state->input;

    switch (key) {
    case KEY_JSON: o->json = true; break;
    case KEY_TO: o->moment = arg; break;
    case KEY_DIR: o->data = arg; break;
    case KEY_CONFIG: o->config = arg; break;
    case KEY_COPY_TO: o->copy_to = arg; break;
    case KEY_USER: o->server.user = arg; break;
    case KEY_TLS: o->server.use_tls = true; break;
    case KEY_INSECURE: o->server.tls.insecure = true; break;
    case KEY_SNI:
    case KEY_CACERT:
    case KEY_CACERTDIR:
    case KEY_CERT:
    case KEY_KEY: take_tls_file(&o->server.tls, key, arg); break;
    case 'h': o->server.host = arg; break;
    case 'p': o->server.port = arg; break;
    case 's': o->server.socket = arg; break;
    case KEY_KEEP:
        if (!num_parse_i64(arg, strlen(arg), &o->keep) || o->keep < 1)
            argp_error(state, "--keep needs a number above 0");
        break;
    case ARGP_KEY_ARG:
        if (!o->command)
            o->command = arg;
        else if (o->nargs == 2)
            argp_usage(state);
        else
            o->args[o->nargs++] = arg;
        break;
    case ARGP_KEY_NO_ARGS: argp_usage(state); break;
    case ARGP_KEY_END: check_tls(&o->server, state); break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

int main(int argc, char **argv) {
    static const struct argp argp = {
        argp_options,
        parse_option,
        "list DIR\nverify BACKUP\ncopy BACKUP DIR\nrestore BACKUP --dir DIR\ntake",
        "Backups of stet-server: take one, copy it with checksums, verify it without a server, "
        "list them with the moments they restore, print the commands of a restore.",
        NULL,
        NULL,
        NULL};
    struct options o = {.keep = -1, .server = {.host = "127.0.0.1", .port = "6379"}};
    const char *faults = getenv("STET_IO_FAULT");
    struct err e;

    mem_thread_init();
    if (faults && io_fault_parse(faults, &e) < 0) return fail(&e);
    o.server.password = getenv("STET_PASSWORD");
    if (!o.server.password) o.server.password = getenv("REDISCLI_AUTH");
    argp_err_exit_status = 1;
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(commands[i].name, o.command) == 0 && commands[i].args == o.nargs)
            return commands[i].run(&o);
    err_set(&e, EINVAL, "'%s' is no command, or has other arguments: see --help", o.command);
    return fail(&e);
}
