/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/kit/server.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/kit/resp3.h"

enum { ARGS_MAX = 64, SERVERS_MAX = 8, DEADLINE_S = 60 };

struct server {
    char dir[96], log[128], *input;
    bool leaks; /* a leak sanitizer may look when it ends */
    pid_t pid;  /* 0: none */
    int port;
    off_t log_from;
};

static struct server *servers[SERVERS_MAX];

const char *server_program(void) {
    static char path[2 * PATH_MAX];
    const char *p = getenv("STET_SERVER"), *bin = getenv("STET_BIN");
    char given[PATH_MAX], here[PATH_MAX];

    snprintf(given, sizeof given, p ? "%s" : "%s/stet-server", p ? p : bin ? bin : "build");
    cr_assert(access(given, X_OK) == 0 && getcwd(here, sizeof here), "no server at '%s'", given);
    snprintf(path, sizeof path, "%s%s%s", *given == '/' ? "" : here, *given == '/' ? "" : "/",
             given);
    return path;
}

bool server_is_stet(void) {
    const char *name = strrchr(server_program(), '/');

    return strcmp(name, "/redis-server") != 0;
}

bool kit_wait(bool (*cond)(void *), void *arg, int seconds) {
    struct timespec pause = {0, 1000000}, now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    for (time_t end = now.tv_sec + seconds; now.tv_sec <= end;) {
        if (cond(arg)) return true;
        nanosleep(&pause, NULL);
        clock_gettime(CLOCK_MONOTONIC, &now);
    }
    return cond(arg);
}

int kit_free_port(void) {
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert(bind(fd, (struct sockaddr *)&a, sizeof a) == 0);
    getsockname(fd, (struct sockaddr *)&a, &n);
    close(fd);
    return ntohs(a.sin_port);
}

struct server *server_new(void) {
    struct server *s = calloc(1, sizeof *s);
    const char *tmp = getenv("TMPDIR");
    int i = 0;

    snprintf(s->dir, sizeof s->dir, "%s/stet-test-XXXXXX", tmp ? tmp : "/tmp");
    cr_assert(mkdtemp(s->dir), "mkdtemp: %s", strerror(errno));
    snprintf(s->log, sizeof s->log, "%s/server.log", s->dir);
    while (i < SERVERS_MAX && servers[i]) i++;
    cr_assert_lt(i, SERVERS_MAX);
    servers[i] = s;
    return s;
}

/* In the child: becomes the server. Sanitizer options of the server are its own, because a test
 * program must not look for leaks of the test framework. */
static void become(struct server *s, char **argv, int in) {
    const char *asan = getenv("STET_SERVER_ASAN_OPTIONS");
    int out = open(s->log, O_WRONLY | O_CREAT | O_APPEND, 0644);
    sigset_t none;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int sig = 1; sig < 32; sig++) signal(sig, SIG_DFL);
    if (asan && s->leaks) setenv("ASAN_OPTIONS", asan, 1);
    dup2(in, 0);
    dup2(out, 1);
    dup2(out, 2);
    close_range(3, ~0U, 0);
    if (chdir(s->dir) == 0) execv(argv[0], argv);
    _exit(127);
}

/* A descriptor to read s->input from. */
static int input_fd(struct server *s) {
    int fds[2];

    if (!s->input) return open("/dev/null", O_RDONLY);
    cr_assert(pipe(fds) == 0);
    cr_assert_eq(write(fds[1], s->input, strlen(s->input)), (ssize_t)strlen(s->input));
    close(fds[1]);
    return fds[0];
}

static void spawn(struct server *s, char **argv) {
    struct stat st;
    int in = input_fd(s);

    cr_assert_eq(s->pid, 0, "the server runs already");
    argv[0] = (char *)server_program();
    s->log_from = stat(s->log, &st) == 0 ? st.st_size : 0;
    s->pid = fork();
    cr_assert(s->pid >= 0);
    if (s->pid == 0) become(s, argv, in);
    close(in);
}

static int collect(char **argv, int n, const char *arg, va_list ap) {
    for (; arg; arg = va_arg(ap, const char *)) {
        cr_assert_lt(n, ARGS_MAX - 1);
        argv[n++] = (char *)arg;
    }
    argv[n] = NULL;
    return n;
}

enum state { STARTING, SERVES, ENDED };

static bool answers(int port) {
    struct resp_conn c;

    if (resp_open(&c, port, NULL) < 0) return false;
    const char *said = resp_ask(&c, "PING", NULL);
    bool ok = said[0] == '+' || strncmp(said, "-NOAUTH", 7) == 0;
    resp_close(&c);
    return ok;
}

static enum state look(struct server *s) {
    if (s->port == 0) {
        char *text = server_read_file(s, "port-file");
        if (text && strchr(text, '\n')) s->port = atoi(text);
        free(text);
    }
    if (s->port && answers(s->port)) return SERVES;
    siginfo_t i = {0};
    waitid(P_PID, (id_t)s->pid, &i, WEXITED | WNOHANG | WNOWAIT);
    return i.si_pid ? ENDED : STARTING;
}

static bool started(void *arg) {
    return look(arg) != STARTING;
}

static void start_and_wait(struct server *s, const char *arg, va_list ap) {
    static char port[8];
    char *argv[ARGS_MAX] = {NULL};
    int n = 1;

    s->port = 0;
    if (arg && arg[0] != '-') { /* a configuration file comes first */
        argv[n++] = (char *)arg;
        arg = va_arg(ap, const char *);
    }
    argv[n++] = "--port";
    argv[n++] = port;
    argv[n++] = "--save";
    argv[n++] = "";
    snprintf(port, sizeof port, "auto");
    if (server_is_stet()) {
        unlink(server_path(s, "port-file"));
        argv[n++] = "--port-file";
        argv[n++] = (char *)server_path(s, "port-file"); /* --dir may lead elsewhere */
    } else {
        s->port = kit_free_port();
        snprintf(port, sizeof port, "%d", s->port);
    }
    collect(argv, n, arg, ap);
    s->leaks = true;
    spawn(s, argv);
    kit_wait(started, s, DEADLINE_S);
    if (look(s) != SERVES) cr_assert_fail("the server does not serve; its log:\n%s", server_log(s));
}

void server_start(struct server *s, ...) {
    va_list ap;

    va_start(ap, s);
    start_and_wait(s, va_arg(ap, const char *), ap);
    va_end(ap);
}

struct server *server_run(const char *arg, ...) {
    struct server *s = server_new();
    va_list ap;

    va_start(ap, arg);
    start_and_wait(s, arg, ap);
    va_end(ap);
    return s;
}

void server_launch(struct server *s, ...) {
    char *argv[ARGS_MAX] = {NULL};
    va_list ap;

    va_start(ap, s);
    collect(argv, 1, va_arg(ap, const char *), ap);
    va_end(ap);
    s->leaks = false;
    spawn(s, argv);
}

void server_stdin(struct server *s, const char *text) {
    free(s->input);
    s->input = strdup(text);
}

struct ended {
    pid_t pid;
    int status;
};

static bool has_ended(void *arg) {
    struct ended *e = arg;

    return waitpid(e->pid, &e->status, WNOHANG) == e->pid;
}

static void check_sanitizers(struct server *s) {
    char *log = server_log(s);

    if (strstr(log, "Sanitizer") || strstr(log, "runtime error:"))
        cr_assert_fail("sanitizer report:\n%s", log);
    free(log);
}

int server_wait_exit(struct server *s) {
    struct ended e = {s->pid, 0};

    cr_assert_gt(s->pid, 0, "the server does not run");
    if (!kit_wait(has_ended, &e, DEADLINE_S))
        cr_assert_fail("the server does not end; its log:\n%s", server_log(s));
    s->pid = 0;
    check_sanitizers(s);
    return WIFEXITED(e.status) ? WEXITSTATUS(e.status) : -WTERMSIG(e.status);
}

void server_notify(struct server *s, int sig) {
    kill(s->pid, sig);
}

int server_signal(struct server *s, int sig) {
    server_notify(s, sig);
    return server_wait_exit(s);
}

void server_stop(struct server *s) {
    struct resp_conn c;

    cr_assert(resp_open(&c, s->port, NULL) == 0);
    resp_ask(&c, "SHUTDOWN", "NOSAVE", NULL);
    resp_close(&c);
    cr_assert_eq(server_wait_exit(s), 0);
}

void server_kill(struct server *s) {
    kill(s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
    s->pid = 0;
    check_sanitizers(s);
}

void server_adopt(struct server *s, pid_t pid) {
    s->pid = pid;
}

int server_port(const struct server *s) {
    return s->port;
}

pid_t server_pid(const struct server *s) {
    return s->pid;
}

const char *server_dir(const struct server *s) {
    return s->dir;
}

const char *server_path(const struct server *s, const char *name) {
    static char paths[8][PATH_MAX];
    static unsigned next;
    char *p = paths[next++ % 8];

    snprintf(p, PATH_MAX, "%s/%s", s->dir, name);
    return p;
}

void server_write_file(struct server *s, const char *name, const char *text) {
    FILE *f = fopen(server_path(s, name), "w");

    cr_assert(f, "cannot write '%s'", name);
    fputs(text, f);
    fclose(f);
}

static char *read_from(const char *path, off_t from) {
    FILE *f = fopen(path, "r");
    char *text = NULL;
    size_t n = 0;

    if (!f) return NULL;
    fseeko(f, from, SEEK_SET);
    if (getdelim(&text, &n, 0, f) < 0) {
        free(text);
        text = strdup("");
    }
    fclose(f);
    return text;
}

char *server_read_file(struct server *s, const char *name) {
    return read_from(server_path(s, name), 0);
}

bool server_has_file(const struct server *s, const char *name) {
    return access(server_path(s, name), F_OK) == 0;
}

char *server_log(const struct server *s) {
    char *text = read_from(s->log, s->log_from);

    return text ? text : strdup("");
}

struct phrase {
    const struct server *s;
    const char *text;
};

static bool logged(void *arg) {
    struct phrase *p = arg;
    char *log = server_log(p->s);
    bool found = strstr(log, p->text) != NULL;

    free(log);
    return found;
}

void server_wait_log(const struct server *s, const char *phrase) {
    struct phrase p = {s, phrase};

    if (!kit_wait(logged, &p, DEADLINE_S))
        cr_assert_fail("no '%s' in the log:\n%s", phrase, server_log(s));
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

void kit_end(void) {
    for (int i = 0; i < SERVERS_MAX && servers[i]; i++) {
        struct server *s = servers[i];
        if (s->pid > 0) server_kill(s);
        if (!getenv("STET_KEEP")) nftw(s->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
        free(s->input);
        free(s);
        servers[i] = NULL;
    }
}
