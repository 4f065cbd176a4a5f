/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/process.h"

#include "conf/conf.h"
#include "server/number_file.h"
#include "server/supervisor.h"
#include "server/version.h"
#include "storage/base/check.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include <unwind.h>

extern char **environ;

/* ---------------------------------------------------------------- the title */

static char *title_at;
static size_t title_room;

/* argv and the environment lie in one piece of memory, which ps shows: both move away from it. */
void process_init(int argc, char **argv) {
    char *end = argv[0];
    size_t n = 0;
    char **copy;

    title_at = argv[0];
    for (int i = 0; i < argc; i++) {
        if (argv[i] == end) end += strlen(argv[i]) + 1;
        argv[i] = mem_strdup(argv[i]);
    }
    while (environ[n]) n++;
    copy = mem_alloc((n + 1) * sizeof *copy);
    for (size_t i = 0; i < n; i++) {
        if (environ[i] == end) end += strlen(environ[i]) + 1;
        copy[i] = mem_strdup(environ[i]);
    }
    copy[n] = NULL;
    environ = copy;
    title_room = (size_t)(end - title_at);
}

void process_set_child_title(const char *title) {
    if (title_at && title_room) {
        memset(title_at, 0, title_room);
        snprintf(title_at, title_room, "%s", title);
    }
    prctl(PR_SET_NAME, title);
}

static void expand(struct bytes *out, const struct conf_values *v, int port, struct slice var) {
    const char *addr = v->bind.n ? v->bind.addr[0] : "*";

    if (slice_is(var, "title")) bytes_append_str(out, "stet-server");
    if (slice_is(var, "listen-addr")) {
        if (port)
            bytes_printf(out, "%s:%d", addr[0] == '-' ? addr + 1 : addr, port);
        else if (v->unixsocket)
            bytes_append_str(out, v->unixsocket);
    }
    if (slice_is(var, "server-mode") && v->cluster_enabled) bytes_append_str(out, "[cluster]");
    if (slice_is(var, "port")) bytes_append_int(out, port);
    if (slice_is(var, "tls-port")) bytes_append_int(out, v->tls_port);
    if (slice_is(var, "unixsocket") && v->unixsocket) bytes_append_str(out, v->unixsocket);
    if (slice_is(var, "config-file")) bytes_append_str(out, "");
}

void process_set_title(const struct conf_values *v, int port) {
    struct bytes out = {0};
    const char *p = v->proc_title_template;

    if (!v->set_proc_title || !p) return;
    while (*p) {
        const char *end = *p == '{' ? strchr(p, '}') : NULL;

        if (end) {
            expand(&out, v, port, slice_of(p + 1, (size_t)(end - p) - 1));
            p = end + 1;
        } else {
            bytes_append_char(&out, *p++);
        }
    }
    while (out.n && out.p[out.n - 1] == ' ') out.n--;
    if (title_at && title_room) {
        memset(title_at, 0, title_room);
        snprintf(title_at, title_room, "%s", bytes_cstr(&out));
    }
    bytes_release(&out);
}

/* Open from the start on, because it cannot be opened later in the sandbox or as an ordinary
 * user. */
static int oom_fd = -1;
static int oom_score_at_start;
static int oom_child_score, oom_own_score; /* what a child gets, what the server has */

static void keep_oom_score(void) {
    char text[16] = "";

    oom_fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
    if (oom_fd >= 0 && pread(oom_fd, text, sizeof text - 1, 0) > 0)
        oom_score_at_start = (int)strtol(text, NULL, 10);
}

static int write_oom_score(int score) {
    char text[16];
    int n = snprintf(text, sizeof text, "%d", score);

    return pwrite(oom_fd, text, (size_t)n, 0) < 0 ? -1 : 0; /* lowering it needs rights */
}

/* A child inherits the score and cannot open its own file, which is not there before the fork. So
 * the server has the child's score while it forks. */
static void before_fork(void) {
    if (oom_child_score != oom_own_score) write_oom_score(oom_child_score);
}

static void after_fork(void) {
    if (oom_child_score != oom_own_score) write_oom_score(oom_own_score);
}

static int oom_score(const struct conf_values *v, int i) {
    int score = v->oom_score_adj_values.adj[i];

    if (v->oom_score_adj == CONF_OOM_RELATIVE) score += oom_score_at_start;
    return score < -1000 ? -1000 : score > 1000 ? 1000 : score;
}

int process_oom_score(const struct conf_values *v) {
    static bool watches_forks, changed;
    bool on = v->oom_score_adj != CONF_OOM_NO;
    int own = on ? oom_score(v, 0) : oom_score_at_start;

    if (!on && !changed) return 0;
    if (write_oom_score(own) < 0) {
        log_warning("Unable to write oom_score_adj: %s", strerror(errno));
        return -1;
    }
    changed = on;
    oom_own_score = own;
    oom_child_score = on ? oom_score(v, 2) : own;
    if (on && !watches_forks) watches_forks = pthread_atfork(before_fork, after_fork, NULL) == 0;
    return 0;
}

/* ---------------------------------------------------------------- limits */

enum { FDS_BESIDE_CLIENTS = 32 };

int64_t process_allow_clients(int64_t maxclients, unsigned for_others) {
    rlim_t want = (rlim_t)maxclients + FDS_BESIDE_CLIENTS + for_others;
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur >= want) return maxclients;
    if (r.rlim_max < want) {
        struct rlimit raised = {want, want};

        if (setrlimit(RLIMIT_NOFILE, &raised) == 0) return maxclients;
    }
    r.rlim_cur = r.rlim_max < want ? r.rlim_max : want;
    if (setrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur >= want) return maxclients;
    getrlimit(RLIMIT_NOFILE, &r);
    maxclients = (int64_t)r.rlim_cur - FDS_BESIDE_CLIENTS - for_others;
    if (maxclients < 1) maxclients = 1;
    log_warning(
        "maxclients needs %llu open files, and the system allows %llu: at most %lld clients "
        "will be served. Raise 'ulimit -n' for more.",
        (unsigned long long)want, (unsigned long long)r.rlim_cur, (long long)maxclients);
    return maxclients;
}

/* A number and the text after it; -1: there is none. */
static long cpu_number(const char **p) {
    char *end;
    long n = isdigit((unsigned char)**p) ? strtol(*p, &end, 10) : -1;

    if (n >= 0) *p = end;
    return n;
}

/* "0-3,6", "0-7:2" */
static bool parse_cpus(const char *p, cpu_set_t *set) {
    CPU_ZERO(set);
    for (;; p++) {
        long from = cpu_number(&p), to = from, step = 1;

        if (*p == '-') p++, to = cpu_number(&p);
        if (*p == ':') p++, step = cpu_number(&p);
        if (from < 0 || to < from || to >= CPU_SETSIZE || step < 1 || (*p && *p != ','))
            return false;
        for (long i = from; i <= to; i += step) CPU_SET((size_t)i, set);
        if (!*p) return true;
    }
}

void process_set_cpus(const char *list, const char *parameter) {
    static cpu_set_t before;
    static bool known;
    cpu_set_t set;

    if (!list && !known) return;
    if (!known) known = sched_getaffinity(0, sizeof before, &before) == 0;
    if (!list)
        set = before;
    else if (!parse_cpus(list, &set)) {
        log_warning("%s: '%s' is no list of CPUs", parameter, list);
        return;
    }
    if (sched_setaffinity(0, sizeof set, &set) < 0)
        log_warning("%s: cannot run on CPUs '%s': %s", parameter, list ? list : "of before",
                    strerror(errno));
}

int process_set_collation(const char *locale, struct err *e) {
    if (setlocale(LC_COLLATE, locale)) return 0;
    return err_set(e, EINVAL, "Failed to configure LOCALE for invalid locale name.");
}

/* ---------------------------------------------------------------- start and stop */

int process_daemonize(const struct conf_values *v, struct err *e) {
    pid_t pid;
    int fd;

    if (!v->daemonize) return 0;
    if (v->exit_with_parent) return err_set(e, EINVAL, "'exit-with-parent' needs 'daemonize no'");
    pid = fork();
    if (pid < 0) return err_set(e, errno, "cannot daemonize: %s", strerror(errno));
    if (pid > 0) _exit(0);
    setsid();
    fd = open("/dev/null", O_RDWR);
    if (fd < 0) return 0;
    dup2(fd, STDIN_FILENO);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    if (fd > STDERR_FILENO) close(fd);
    return 0;
}

void process_log_start(const struct conf *c, int argc, char **argv) {
    const struct conf_values *v = conf_values(c);
    const char *path = conf_path(c);

    log_notice("oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo");
    log_notice("Redis version=%s, bits=64, commit=%s, modified=0, pid=%d, just started (stet %s)",
               CONF_REDIS_VERSION, stet_git_sha, (int)getpid(), stet_version);
    if (path)
        log_notice("Configuration loaded");
    else if (argc == 1)
        log_warning("Warning: no config file specified, using the default config. In order to "
                    "specify a config file use %s /path/to/redis.conf",
                    argv[0]);
    if (v->always_show_logo || (isatty(STDOUT_FILENO) && (!v->logfile || !v->logfile[0]))) {
        char text[512];

        snprintf(text, sizeof text,
                 "\n      _       _\n  ___| |_ ___| |_   stet %s (%s/0) 64 bit\n"
                 " (_-<|  _/ -_)  _|  Running in %s mode\n"
                 " /__/ \\__\\___|\\__|  Port: %d\n                    PID: %d\n\n",
                 stet_version, stet_git_sha, v->cluster_enabled ? "cluster" : "standalone",
                 (int)v->port, (int)getpid());
        log_raw(LOG_AT_NOTICE, text);
    }
}

static struct number_file pid_file, port_file;

const char *process_pid_path(const struct conf_values *v) {
    if (v->pidfile && v->pidfile[0]) return v->pidfile;
    return v->daemonize ? "/var/run/redis.pid" : NULL;
}

void process_prepare(const struct conf_values *v) {
    number_file_prepare(&pid_file, process_pid_path(v));
    number_file_prepare(&port_file, v->port_file && v->port_file[0] ? v->port_file : NULL);
    keep_oom_score();
    supervisor_find(v);
}

void process_write_pid(void) {
    int pid = (int)getpid();
    struct err e;

    if (number_file_publish(&pid_file, &pid, 1, &e) < 0)
        log_warning("Failed to write PID file: %s", e.text);
}

int process_give_files(uid_t uid, gid_t gid) {
    if (number_file_give(&pid_file, uid, gid) < 0) return -1;
    return number_file_give(&port_file, uid, gid);
}

int process_ready(const struct conf_values *v, const int *ports, size_t nports, struct err *e) {
    if (number_file_publish(&port_file, ports, nports, e) < 0) return -1;
    supervisor_tell("READY=1\nSTATUS=Ready to accept connections");
    if (v->supervised == CONF_SUPERVISED_UPSTART ||
        (v->supervised == CONF_SUPERVISED_AUTO && getenv("UPSTART_JOB")))
        raise(SIGSTOP);
    return 0;
}

void process_abandon(void) {
    number_file_remove(&pid_file);
    number_file_remove(&port_file);
}

void process_stopping(const struct conf_values *v) {
    supervisor_tell("STOPPING=1");
    if (process_pid_path(v)) log_notice("Removing the pid file.");
    process_abandon();
}

/* ---------------------------------------------------------------- crashes */

enum { FRAMES_MAX = 64 };

void process_write(const char *text) {
    ssize_t rc = write(log_fd(), text, strlen(text));

    (void)rc; /* there is no way left to report it */
}

struct frames {
    void *at[FRAMES_MAX];
    int n;
};

static _Unwind_Reason_Code note_frame(struct _Unwind_Context *context, void *arg) {
    struct frames *f = arg;

    if (f->n == FRAMES_MAX) return _URC_END_OF_STACK;
    f->at[f->n++] = (void *)_Unwind_GetIP(context);
    return _URC_NO_REASON;
}

/* Not by backtrace(3), which loads a library for it. */
void process_write_stack(void) {
    struct frames f = {.n = 0};

    _Unwind_Backtrace(note_frame, &f);
    process_write("\n------ STACK TRACE ------\nBacktrace:\n");
    backtrace_symbols_fd(f.at, f.n, log_fd());
}

static void report_begin(void) {
    char line[160];

    process_write("\n\n=== REDIS BUG REPORT START: Cut & paste starting from here ===\n");
    snprintf(line, sizeof line, "stet %s (%s), Redis %s, pid %d\n", stet_version, stet_git_sha,
             CONF_REDIS_VERSION, (int)getpid());
    process_write(line);
}

static void report_end(void) {
    process_write("\n=== REDIS BUG REPORT END. ===\n\n");
}

static void on_crash(int sig, siginfo_t *info, void *context) {
    char line[160];

    (void)context;
    report_begin();
    snprintf(line, sizeof line, "Redis %s crashed by signal: %d, si_code: %d\n", CONF_REDIS_VERSION,
             sig, info->si_code);
    process_write(line);
    if (sig == SIGSEGV || sig == SIGBUS) {
        snprintf(line, sizeof line, "Accessing address: %p\n", info->si_addr);
        process_write(line);
    }
    process_write_stack();
    report_end();
    signal(sig, SIG_DFL);
    raise(sig);
}

static bool exit_on_panic;

void process_exit_on_panic(bool on) {
    exit_on_panic = on;
}

static void on_failed_check(const char *file, int line, const char *what) {
    char text[512];

    report_begin();
    process_write("=== ASSERTION FAILED ===\n");
    snprintf(text, sizeof text, "==> %s:%d '%s' is not true\n", file, line, what);
    process_write(text);
    process_write_stack();
    report_end();
    if (exit_on_panic) _exit(1);
}

void process_catch_crashes(void) {
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    struct sigaction sa = {.sa_sigaction = on_crash,
                           .sa_flags = SA_NODEFER | SA_RESETHAND | SA_SIGINFO};

    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &sa, NULL);
    check_set_dump(on_failed_check);
}
