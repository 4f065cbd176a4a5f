/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/contain.h"

#include "server/process.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_set(const char *s) {
    return s && s[0];
}

/* ---------------------------------------------------------------- paths */

struct rules {
    int fd;
    int rc;
    bool around_dir; /* the directory that holds `dir` is allowed */
    struct err *e;
};

static void allow(struct rules *r, const char *path, unsigned rights) {
    if (r->rc < 0 || !is_set(path)) return;
    if (sandbox_files_allow(r->fd, path, rights, r->e) < 0) r->rc = -1;
}

/* Directly in /home. */
static bool is_home(const char *dir) {
    return strncmp(dir, "/home/", 6) == 0 && !strchr(dir + 6, '/');
}

/* Directories that hold much more than the files of one server. */
static bool is_shared(const char *dir) {
    static const char *const shared[] = {"/",     "/etc", "/usr",  "/var",    "/var/lib",
                                         "/home", "/dev", "/root", "/usr/etc"};

    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++)
        if (strcmp(dir, shared[i]) == 0) return true;
    return is_home(dir);
}

/* Allows the directory of the file. In a shared directory it allows the file alone, unless the file
 * is made later (a socket, a pid file). */
static void allow_beside(struct rules *r, const char *path, unsigned rights) {
    bool made_later = rights & (SANDBOX_SOCKET | SANDBOX_PUBLISH);
    char resolved[PATH_MAX], *copy = mem_strdup(path);
    const char *dir = dirname(copy);
    bool file_only = !made_later && realpath(dir, resolved) && is_shared(resolved);

    allow(r, file_only ? path : dir, rights);
    if (file_only && rights & SANDBOX_FILES)
        log_notice("Sandbox: '%s' can be read and written to but not replaced, because '%s' has "
                   "other files too.",
                   path, resolved);
    mem_free(copy);
}

/* A link is followed: both directories count. */
static void allow_around(struct rules *r, const char *path, unsigned rights) {
    char resolved[PATH_MAX];

    if (!is_set(path)) return;
    allow_beside(r, path, rights);
    if (realpath(path, resolved)) allow_beside(r, resolved, rights);
}

/* Outside of `dir` it must exist when the rules are made. */
static void make_backup_dir(const struct conf_values *v) {
    const char *path = v->backup_dir;

    if (!is_set(path) || (path[0] != '/' && !strstr(path, ".."))) return;
    if (mkdir(path, 0755) == 0) log_notice("Made '%s' (backup-dir).", path);
}

/* Its files are often links to certificates elsewhere. */
static void allow_links_in(struct rules *r, const char *dir) {
    DIR *d = is_set(dir) ? opendir(dir) : NULL;
    char path[PATH_MAX];

    for (const struct dirent *ent; d && (ent = readdir(d));)
        if (ent->d_type == DT_LNK &&
            (size_t)snprintf(path, sizeof path, "%s/%s", dir, ent->d_name) < sizeof path)
            allow(r, path, SANDBOX_READ);
    if (d) closedir(d);
}

static void allow_tls(struct rules *r, const struct conf_values *v) {
    const char *const files[] = {
        v->tls_cert_file,      v->tls_key_file,     v->tls_client_cert_file, v->tls_client_key_file,
        v->tls_dh_params_file, v->tls_ca_cert_file, v->tls_crl_file};

    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        allow_around(r, files[i], SANDBOX_READ);
    allow(r, v->tls_ca_cert_dir, SANDBOX_READ);
    allow_links_in(r, v->tls_ca_cert_dir);
}

/* A `dir` that was deleted and made again is another directory to the kernel, and the rules of the
 * old one do not hold there: the server could not write its data anew. So the directory that holds
 * it is allowed too, unless it holds files of other programs: `/`, homes, and, for a server that
 * stays root, directories of the system. Permissions keep another user out of those. */
static bool may_allow_around_dir(const char *parent, uid_t uid) {
    const struct passwd *pw = getpwuid(uid);
    struct stat st;

    if (strcmp(parent, "/") == 0 || strcmp(parent, "/etc") == 0) return false;
    if (pw && strcmp(parent, pw->pw_dir) == 0) return false;
    if (is_home(parent)) return false;
    if (uid != 0) return true;
    return !is_shared(parent) && stat(parent, &st) == 0 && !(st.st_mode & S_ISVTX);
}

static void allow_around_dir(struct rules *r, const char *dir, uid_t uid) {
    char *copy = mem_strdup(dir);
    const char *parent = dirname(copy);

    r->around_dir = may_allow_around_dir(parent, uid);
    if (r->around_dir) allow(r, parent, SANDBOX_DATA);
    mem_free(copy);
}

static void allow_data(struct rules *r, const struct conf_values *v, uid_t uid) {
    make_backup_dir(v);
    allow(r, ".", SANDBOX_DATA);
    allow_around_dir(r, v->dir.path, uid);
    /* These may be links to other places. */
    allow(r, v->appenddirname, SANDBOX_DATA);
    allow(r, v->appendfilename, SANDBOX_DATA);
    allow(r, v->dbfilename, SANDBOX_DATA);
    if (v->cluster_enabled && strchr(v->cluster_config_file, '/'))
        allow_around(r, v->cluster_config_file, SANDBOX_FILES);
    allow(r, v->backup_dir, SANDBOX_DATA);
    allow(r, v->restore_from, SANDBOX_DATA);
}

static void allow_own_files(struct rules *r, const struct conf *conf) {
    const struct conf_values *v = conf_values(conf);

    allow_around(r, conf_path(conf), SANDBOX_FILES);
    allow_around(r, v->aclfile, SANDBOX_FILES);
    allow_around(r, v->logfile, SANDBOX_APPEND);
    if (process_pid_path(v)) allow_beside(r, process_pid_path(v), SANDBOX_PUBLISH);
    if (is_set(v->port_file)) allow_beside(r, v->port_file, SANDBOX_PUBLISH);
    if (is_set(v->unixsocket)) allow_beside(r, v->unixsocket, SANDBOX_SOCKET | SANDBOX_REMOVE);
}

/* Files may be read where their permissions allow it, because TLS may be switched on at run time
 * with files from any place. Homes are excluded because they hold keys and passwords, and /dev but
 * for the files named here. */
static bool is_readable_place(const char *name) {
    static const char *const hidden[] = {".", "..", "home", "root", "dev", "boot", "lost+found"};

    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        if (strcmp(name, hidden[i]) == 0) return false;
    return true;
}

static void allow_reading(struct rules *r) {
    DIR *d = opendir("/");
    char path[PATH_MAX];

    for (const struct dirent *ent; d && (ent = readdir(d));) {
        if (!is_readable_place(ent->d_name)) continue;
        snprintf(path, sizeof path, "/%s", ent->d_name);
        allow(r, path, SANDBOX_READ);
    }
    if (d) closedir(d);
    allow(r, "/dev/random", SANDBOX_READ);
    allow(r, "/dev/urandom", SANDBOX_READ);
    allow(r, "/dev/null", SANDBOX_READ | SANDBOX_APPEND);
}

/* ---------------------------------------------------------------- files */

static int enter_files(struct containment *c, struct conf *conf, uid_t uid, struct err *e) {
    const struct conf_values *v = conf_values(conf);
    const char *manager = getenv("NOTIFY_SOCKET");
    struct rules r = {.e = e};

    if (v->enable_protected_configs != CONF_ACCESS_NO)
        return err_set(e, EBUSY, "enable-protected-configs is on, so 'dir' may change");
    if (strcmp(v->dir.path, "/") == 0) return err_set(e, EBUSY, "'dir' is '/'");
    r.fd = sandbox_files_begin(manager && manager[0] == '@', e);
    if (r.fd < 0) return -1;
    allow_data(&r, v, uid);
    allow_own_files(&r, conf);
    allow_tls(&r, v);
    allow_reading(&r);
    c->around_dir = r.around_dir;
    if (r.rc == 0) return sandbox_files_enter(r.fd, e);
    close(r.fd);
    return -1;
}

/* The capabilities that a start as root needs later: files of any owner, low ports, more open
 * files, priorities; and becoming another user with run-as-user, which drops them all. */
static uint64_t needed_capabilities(const struct conf_values *v) {
    static const int always[] = {CAP_DAC_OVERRIDE,     CAP_DAC_READ_SEARCH, CAP_FOWNER,  CAP_FSETID,
                                 CAP_NET_BIND_SERVICE, CAP_SYS_RESOURCE,    CAP_SYS_NICE};
    uint64_t keep = 0;

    for (size_t i = 0; i < sizeof always / sizeof *always; i++) keep |= 1ull << always[i];
    if (v->socket_mark_id) keep |= 1ull << CAP_NET_ADMIN;
    if (is_set(v->unixsocketgroup)) keep |= 1ull << CAP_CHOWN;
    if (is_set(v->run_as_user)) keep |= 1ull << CAP_SETUID | 1ull << CAP_SETGID | 1ull << CAP_CHOWN;
    return keep;
}

/* CONFIG SET of a file that the sandbox hides gets an error that says so. */
static int check_tls_files(void *arg, const struct conf_values *v, struct err *e) {
    const struct containment *c = arg;
    const char *const paths[] = {
        v->tls_cert_file,      v->tls_key_file,     v->tls_client_cert_file, v->tls_client_key_file,
        v->tls_dh_params_file, v->tls_ca_cert_file, v->tls_ca_cert_dir,      v->tls_crl_file};

    for (size_t i = 0; c->files && i < sizeof paths / sizeof *paths; i++)
        if (is_set(paths[i]) && sandbox_hides(paths[i]))
            return err_set(e, EACCES,
                           "the sandbox hides '%s': in a home directory only the files of the "
                           "configuration at the start can be read",
                           paths[i]);
    return 0;
}

static void watch_tls_files(struct containment *c, struct conf *conf) {
    static const char *const names[] = {
        "tls-cert-file",      "tls-key-file",     "tls-client-cert-file", "tls-client-key-file",
        "tls-dh-params-file", "tls-ca-cert-file", "tls-ca-cert-dir",      "tls-crl-file"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        conf_on_apply(conf, names[i], check_tls_files, c);
}

static int find_user(struct containment *c, const struct conf_values *v, struct err *e) {
    const char *group = is_set(v->run_as_group) ? v->run_as_group : NULL;
    struct err why;

    if (!is_set(v->run_as_user))
        return group ? err_set(e, EINVAL, "run-as-group needs run-as-user") : 0;
    if (geteuid() != 0)
        return err_set(e, EPERM, "run-as-user: only a start as root can become '%s'",
                       v->run_as_user);
    if (sandbox_find_user(v->run_as_user, group, &c->user, &why) == 0) return 0;
    return err_set(e, why.code, "run-as-user: %s", why.text);
}

/* TEST CRASH starts the program anew, which the sandbox forbids. */
static bool is_wanted(const struct conf_values *v) {
    return v->sandbox && v->enable_test_commands == CONF_ACCESS_NO;
}

int contain_files(struct containment *c, struct conf *conf, struct err *e) {
    const struct conf_values *v = conf_values(conf);
    uid_t uid;

    *c = (struct containment){.files = false};
    watch_tls_files(c, conf);
    if (find_user(c, v, e) < 0) return -1;
    uid = c->user.name ? c->user.uid : geteuid();
    if (!is_wanted(v) || !SANDBOX_IS_BUILT) return 0;
    if (sandbox_no_new_privileges(&c->why_not_files) == 0)
        c->files = enter_files(c, conf, uid, &c->why_not_files) == 0;
    sandbox_keep_capabilities(needed_capabilities(v), &c->why_capabilities);
    return 0;
}

/* ---------------------------------------------------------------- user */

/* What was made as root: the log file, the socket, the pid file and the port file. */
static int give_away(const struct containment *c, const struct conf_values *v, struct err *e) {
    const char *const made[] = {v->logfile, v->unixsocket};
    uid_t uid = c->user.uid;
    gid_t gid = c->user.gid;

    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        if (is_set(made[i]) && lchown(made[i], uid, gid) < 0)
            return err_set(e, errno, "run-as-user: cannot give '%s' to '%s': %s", made[i],
                           c->user.name, strerror(errno));
    if (process_give_files(uid, gid) == 0) return 0;
    return err_set(e, errno, "run-as-user: cannot give the pid file and the port file to '%s': %s",
                   c->user.name, strerror(errno));
}

int contain_user(struct containment *c, const struct conf_values *v, struct err *e) {
    struct err why;

    if (!c->user.name) return 0;
    if (give_away(c, v, e) < 0) return -1;
    if (sandbox_become(&c->user, &why) < 0)
        return err_set(e, why.code, "run-as-user: %s", why.text);
    log_notice("Running as user '%s' (uid %u, gid %u).", c->user.name, (unsigned)c->user.uid,
               (unsigned)c->user.gid);
    if (access(".", R_OK | W_OK | X_OK) < 0)
        log_warning("User '%s' cannot write in '%s' (dir): %s", c->user.name, v->dir.path,
                    strerror(errno));
    return 0;
}

/* ---------------------------------------------------------------- calls */

static bool needs_unix_sockets(const struct conf_values *v) {
    return v->syslog_enabled || v->supervised == CONF_SUPERVISED_SYSTEMD ||
           v->supervised == CONF_SUPERVISED_AUTO;
}

static void tell(const char *what, bool on, const struct err *why) {
    if (on)
        log_notice("Sandbox: %s are limited.", what);
    else
        log_notice("Sandbox: %s are NOT limited: %s.", what, why->text);
}

void contain_calls(struct containment *c, const struct conf_values *v) {
    struct sandbox_calls allow_calls = {.unix_sockets = needs_unix_sockets(v),
                                        .multipath = v->mptcp || v->repl_mptcp};
    struct err why;
    bool calls;

    if (!is_wanted(v) || !SANDBOX_IS_BUILT) {
        log_notice("Sandbox: %s", is_wanted(v) ? "not in a build with sanitizers." : "off.");
        return;
    }
    calls = sandbox_calls_enter(&allow_calls, &why) == 0;
    tell("system calls (seccomp)", calls, &why);
    tell("files (Landlock)", c->files, &c->why_not_files);
    if (c->files && !c->around_dir)
        log_notice("Sandbox: if '%s' (dir) is deleted and made again, a restart is needed.",
                   v->dir.path);
    if (c->why_capabilities.text[0])
        log_notice("Sandbox: all capabilities are kept: %s", c->why_capabilities.text);
}
