/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The command line, what a failed start prints and leaves, sockets, files, signals.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <glob.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/kit/ask.h"
#include "tests/kit/resp3.h"
#include "tests/kit/server.h"

TestSuite(startup, .fini = kit_end);

static void says(struct server *s, const char *part) {
    char *log = server_log(s);

    cr_assert(strstr(log, part), "no '%s' in:\n%s", part, log);
    free(log);
}

/* Files and directories in the server's directory, its log apart. */
static int things_in(const struct server *s) {
    DIR *d = opendir(server_dir(s));
    int n = 0;

    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.' && !strstr(e->d_name, ".log");
    closedir(d);
    return n;
}

Test(startup, version_is_told) {
    struct server *s = server_new();

    server_launch(s, "--version", NULL);
    cr_assert_eq(server_wait_exit(s), 0);
    says(s, "server v=");
    server_launch(s, "-v", NULL);
    cr_assert_eq(server_wait_exit(s), 0);
    says(s, "server v=");
    cr_assert_eq(things_in(s), 0);
}

Test(startup, help_is_told) {
    struct server *s = server_new();

    server_launch(s, "--help", NULL);
    cr_assert_leq(server_wait_exit(s), 1); /* redis-server says 1 */
    says(s, "Usage:");
    server_launch(s, "-h", NULL);
    cr_assert_leq(server_wait_exit(s), 1);
    says(s, "Usage:");
}

Test(startup, a_wrong_line_in_the_file_is_named) {
    struct server *s = server_new();

    server_write_file(s, "c.conf", "appendonly yes\nfoo bar\n");
    server_launch(s, "c.conf", NULL);
    cr_assert_eq(server_wait_exit(s), 1);
    says(s, "*** FATAL CONFIG FILE ERROR (Redis 7.");
    says(s, "Reading the configuration file, at line 2\n>>> 'foo bar'\n"
            "Bad directive or wrong number of arguments");
    cr_assert_eq(things_in(s), 1, "nothing may be created");
}

static const struct {
    const char *args[4], *says;
} wrong[] = {
    {{"--port", "70000"}, ">>> 'port \"70000\"'\nargument must be between 0 and 65535 inclusive"},
    {{"--maxmemory"}, ">>> 'maxmemory'\nwrong number of arguments"},
    {{"--nosuch", "1"}, ">>> 'nosuch \"1\"'\nBad directive or wrong number of arguments"},
    {{"--appendfsync", "sometimes"},
     "argument(s) must be one of the following: everysec, always, no"},
    {{"--appendonly", "maybe"}, "argument must be 'yes' or 'no'"},
    {{"--maxmemory", "1x"}, "argument must be a memory value"},
    {{"--appenddirname", "a/b"}, "appenddirname can't be a path, just a dirname"},
    {{"--appendfilename", "a/b"}, "appendfilename can't be a path, just a filename"},
};

Test(startup, a_wrong_argument_ends_with_status_1_and_creates_nothing) {
    struct server *s = server_new();

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const char *const *a = wrong[i].args;
        server_launch(s, "--appendonly", "yes", a[0], a[1], a[2], NULL);
        cr_assert_eq(server_wait_exit(s), 1, "%s %s", a[0], a[1]);
        says(s, "*** FATAL CONFIG FILE ERROR (Redis 7.");
        says(s, wrong[i].says);
        cr_assert_eq(things_in(s), 0, "nothing may be created");
    }
}

Test(startup, a_missing_file_is_named) {
    struct server *s = server_new();

    server_launch(s, "none.conf", NULL);
    cr_assert_eq(server_wait_exit(s), 1);
    says(s, "Fatal error, can't open config file");
    says(s, "none.conf': No such file or directory");
}

Test(startup, a_directory_that_is_not_there_is_refused) {
    struct server *s = server_new();

    server_launch(s, "--dir", "/nonexistent/dir", NULL);
    cr_assert_eq(server_wait_exit(s), 1);
    says(s, "No such file or directory");
}

Test(startup, a_snapshot_that_cannot_be_read_is_refused_in_words_that_tools_look_for) {
    struct server *s = server_new();

    server_write_file(s, "dump.rdb", "REDIS0010 and no more");
    server_launch(s, NULL);
    cr_assert_eq(server_wait_exit(s), 1);
    says(s, "Terminating server after rdb file reading failure");
    says(s, "Fatal error loading the DB");
}

Test(startup, arguments_come_in_all_forms) {
    struct server *s = server_run("--maxmemory 700mb", "--save", "--timeout", "5",
                                  "--shutdown-on-sigint", "nosave", "force", "now", NULL);
    redisContext *c = ask_open(s);

    EXPECT(c, "[$maxmemory $734003200]", "CONFIG GET maxmemory");
    EXPECT(c, "[$save $]", "CONFIG GET save");
    EXPECT(c, "[$timeout $5]", "CONFIG GET timeout");
    EXPECT(c, "[$shutdown-on-sigint $nosave now force]", "CONFIG GET shutdown-on-sigint");
}

Test(startup, arguments_win_over_the_file) {
    struct server *s = server_new();

    server_write_file(s, "c.conf", "timeout 5\nhz 20\n");
    server_start(s, "c.conf", "--timeout", "7", NULL);
    redisContext *c = ask_open(s);
    EXPECT(c, "[$timeout $7]", "CONFIG GET timeout");
    EXPECT(c, "[$hz $20]", "CONFIG GET hz");
}

Test(startup, configuration_may_come_from_standard_input) {
    struct server *s = server_new();

    server_stdin(s, "port 0\nunixsocket s.sock\nhz 33\n");
    server_launch(s, "-", NULL);
    server_wait_log(s, "eady to accept connections");
    struct resp_conn c;
    cr_assert(resp_open(&c, 0, server_path(s, "s.sock")) == 0);
    cr_assert_str_eq(resp_ask(&c, "CONFIG", "GET", "hz", NULL), "[$hz $33]");
    cr_assert_eq(server_signal(s, SIGTERM), 0);
}

Test(startup, a_taken_port_is_an_error) {
    struct sockaddr_in a = {.sin_family = AF_INET};
    struct server *s = server_new();
    int port = kit_free_port(), fd = socket(AF_INET, SOCK_STREAM, 0);
    char text[8];

    a.sin_port = htons((uint16_t)port);
    cr_assert(bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 1) == 0);
    snprintf(text, sizeof text, "%d", port);
    server_launch(s, "--port", text, "--bind", "127.0.0.1", NULL);
    cr_assert_eq(server_wait_exit(s), 1);
    says(s, "Failed listening on port");
    says(s, "Address already in use");
}

Test(startup, the_unix_socket_has_its_permissions_and_goes_at_the_end) {
    struct server *s = server_run("--unixsocket", "s.sock", "--unixsocketperm", "700", NULL);
    struct resp_conn c;
    struct stat st;

    cr_assert(stat(server_path(s, "s.sock"), &st) == 0);
    cr_assert_eq(st.st_mode & 0777, 0700);
    cr_assert(resp_open(&c, 0, server_path(s, "s.sock")) == 0);
    cr_assert_str_eq(resp_ask(&c, "PING", NULL), "+PONG");
    server_stop(s);
    cr_assert_not(server_has_file(s, "s.sock"));
}

/* A number is a group, too; root may give it any. */
Test(startup, a_unix_socket_has_the_group_that_is_said) {
    gid_t gid = geteuid() == 0 ? 12345 : getegid();
    char number[16], path[400];
    struct server *s;
    struct stat st;

    snprintf(number, sizeof number, "%u", (unsigned)gid);
    s = server_run("--unixsocket", "s.sock", "--unixsocketgroup", number, NULL);
    snprintf(path, sizeof path, "%s/s.sock", server_dir(s));
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(st.st_gid, gid);
}

static void scan_all(const char *seed, char *out, size_t n) {
    redisContext *c = ask_open(server_run("--hash-seed", seed, NULL));

    for (int i = 0; i < 50; i++) EXPECT(c, "+OK", "SET k%d v", i);
    snprintf(out, n, "%s", ask(c, "SCAN 0 COUNT 1000"));
}

Test(startup, with_a_hash_seed_scan_repeats_its_order) {
    char first[2000], again[2000], other[2000];

    scan_all("seed", first, sizeof first);
    scan_all("seed", again, sizeof again);
    scan_all("seeds", other, sizeof other);
    cr_assert_str_eq(first, again);
    cr_assert_str_neq(first, other);
}

Test(startup, the_zone_is_told_where_there_is_one) {
    redisContext *c = ask_open(server_run(NULL, NULL));

    cr_assert_not(strstr(ask(c, "INFO server"), "availability_zone"));
    cr_assert_not(strstr(ask(c, "HELLO 2"), "availability_zone"));
    EXPECT(c, "+OK", "CONFIG SET availability-zone eu-1");
    cr_assert(strstr(ask(c, "INFO server"), "availability_zone:eu-1"));
    cr_assert(strstr(ask(c, "HELLO 2"), "availability_zone"));
}

Test(startup, port_0_means_no_tcp) {
    struct server *s = server_new();

    server_launch(s, "--port", "0", "--unixsocket", "s.sock", NULL);
    server_wait_log(s, "eady to accept connections");
    struct resp_conn c;
    cr_assert(resp_open(&c, 0, server_path(s, "s.sock")) == 0);
    cr_assert_str_eq(resp_ask(&c, "CONFIG", "GET", "port", NULL), "[$port $0]");
}

Test(startup, port_auto_tells_its_port_in_a_file) {
    STET_ONLY();
    struct server *a = server_run(NULL, NULL), *b = server_run(NULL, NULL);
    char *text = server_read_file(a, "port-file");

    cr_assert_neq(server_port(a), server_port(b));
    cr_assert_eq(atoi(text), server_port(a));
    cr_assert_eq(atoll(ask(ask_open(a), "CONFIG GET port") + 8), server_port(a));
}

Test(startup, the_pid_file_holds_the_pid_and_goes_at_the_end) {
    struct server *s = server_run("--pidfile", "my.pid", NULL);
    char *text = server_read_file(s, "my.pid");

    cr_assert_eq(atoi(text), server_pid(s));
    cr_assert_eq(ask_info_int(ask_open(s), "process_id"), server_pid(s));
    server_stop(s);
    cr_assert_not(server_has_file(s, "my.pid"));
}

static bool is_gone(void *pid) {
    return kill(*(pid_t *)pid, 0) != 0;
}

static bool has_pid_file(void *s) {
    char *text = server_read_file(s, "my.pid");
    bool whole = text && strchr(text, '\n');

    free(text);
    return whole;
}

static bool listens(void *s) {
    struct resp_conn c;
    bool up = resp_open(&c, 0, server_path(s, "s.sock")) == 0;

    resp_close(&c);
    return up;
}

Test(startup, daemonize_leaves_a_server_of_its_own) {
    struct server *s = server_new();
    struct resp_conn c;

    server_launch(s, "--daemonize", "yes", "--pidfile", "my.pid", "--logfile", "d.log", "--port",
                  "0", "--unixsocket", "s.sock", NULL);
    cr_assert_eq(server_wait_exit(s), 0);
    cr_assert(kit_wait(has_pid_file, s, 60));
    pid_t pid = atoi(server_read_file(s, "my.pid"));
    cr_assert_gt(pid, 1);
    server_adopt(s, pid);
    cr_assert(kit_wait(listens, s, 60));
    cr_assert(resp_open(&c, 0, server_path(s, "s.sock")) == 0);
    cr_assert_str_eq(resp_ask(&c, "PING", NULL), "+PONG");
    cr_assert_eq(kill(pid, SIGTERM), 0);
    cr_assert(kit_wait(is_gone, &pid, 60));
    server_adopt(s, 0);
    cr_assert(strstr(server_read_file(s, "d.log"), "ready to exit, bye bye"));
    cr_assert_not(server_has_file(s, "my.pid"));
}

/* A shell starts the server and waits: the server's parent. Returns its pid. */
static pid_t run_below_a_shell(struct server *s) {
    const char *program = server_program();
    pid_t shell = fork();

    cr_assert(shell >= 0);
    if (shell == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (chdir(server_dir(s)) == 0)
            execl("/bin/sh", "sh", "-c",
                  "\"$0\" --exit-with-parent yes --pidfile my.pid --logfile d.log --port 0 "
                  "--unixsocket s.sock & wait",
                  program, NULL);
        _exit(127);
    }
    cr_assert(kit_wait(has_pid_file, s, 60));
    server_adopt(s, atoi(server_read_file(s, "my.pid")));
    cr_assert(kit_wait(listens, s, 60));
    return shell;
}

Test(startup, exit_with_parent_stops_the_server_after_a_kill_of_its_parent) {
    STET_ONLY();
    struct server *s = server_new();
    pid_t shell = run_below_a_shell(s), pid = server_pid(s);

    kill(shell, SIGKILL);
    waitpid(shell, NULL, 0);
    cr_assert(kit_wait(is_gone, &pid, 60));
    server_adopt(s, 0);
    cr_assert(strstr(server_read_file(s, "d.log"), "The parent process has ended"));
    cr_assert(strstr(server_read_file(s, "d.log"), "ready to exit, bye bye"));
    cr_assert_not(server_has_file(s, "my.pid"));
}

Test(startup, exit_with_parent_ends_a_script_too) {
    STET_ONLY();
    struct server *s = server_new();
    pid_t shell = run_below_a_shell(s), pid = server_pid(s);
    struct resp_conn c;

    cr_assert(resp_open(&c, 0, server_path(s, "s.sock")) == 0);
    cr_assert(resp_send_words(&c, "EVAL", "while true do end", "0", NULL) == 0);
    kill(shell, SIGKILL);
    waitpid(shell, NULL, 0);
    cr_assert(kit_wait(is_gone, &pid, 60));
    server_adopt(s, 0);
}

Test(startup, exit_with_parent_and_daemonize_exclude_each_other) {
    STET_ONLY();
    struct server *s = server_new();

    server_launch(s, "--exit-with-parent", "yes", "--daemonize", "yes", "--pidfile", "my.pid",
                  NULL);
    cr_assert_eq(server_wait_exit(s), 1);
    says(s, "'exit-with-parent' needs 'daemonize no'");
}

Test(startup, a_log_file_is_appended_to) {
    struct server *s = server_new();

    server_write_file(s, "my.log", "from before\n");
    server_start(s, "--logfile", "my.log", NULL);
    server_stop(s);
    char *text = server_read_file(s, "my.log");
    cr_assert(strncmp(text, "from before\n", 12) == 0);
    cr_assert(strstr(text, "ready to exit, bye bye"));
}

Test(startup, signals_end_it_in_good_order) {
    const int signals[] = {SIGTERM, SIGINT};

    for (int i = 0; i < 2; i++) {
        struct server *s = server_run("--appendonly", "yes", NULL);
        EXPECT(ask_open(s), "+OK", "SET k v");
        cr_assert_eq(server_signal(s, signals[i]), 0);
        says(s, i == 0 ? "Received SIGTERM scheduling shutdown" : "Received SIGINT");
        says(s, "ready to exit, bye bye");
    }
}

Test(startup, the_log_has_the_phrases_tools_wait_for) {
    struct server *s = server_run("--always-show-logo", "yes", NULL);
    char pid[32];

    snprintf(pid, sizeof pid, " PID: %d", (int)server_pid(s));
    says(s, pid);
    says(s, "Server initialized");
    says(s, "Ready to accept connections");
}

Test(startup, the_process_title_tells_the_port) {
    struct server *s = server_run(NULL, NULL);
    char path[64], title[256] = "", port[16];

    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)server_pid(s));
    snprintf(port, sizeof port, ":%d", server_port(s));
    FILE *f = fopen(path, "r");
    cr_assert(f && fgets(title, sizeof title, f));
    fclose(f);
    cr_assert(strstr(title, "-server ") && strstr(title, port), "%s", title);
}

Test(startup, a_crash_leaves_a_report) {
    struct server *s = server_run("--enable-debug-command", "yes", NULL);
    const char *flavour = getenv("STET_FLAVOUR");

    if (flavour && strstr("asan ubsan tsan", flavour))
        cr_skip_test("the sanitizer reports instead");
    EXPECT(ask_open(s), "(closed)", "DEBUG SEGFAULT");
    cr_assert_eq(server_wait_exit(s), -SIGSEGV);
    says(s, "REDIS BUG REPORT START");
    says(s, "crashed by signal: 11");
    says(s, "STACK TRACE");
}

Test(startup, a_failed_check_may_exit) {
    struct server *s = server_run("--enable-debug-command", "yes", NULL);
    redisContext *c = ask_open(s);

    EXPECT(c, "+OK", "CONFIG SET use-exit-on-panic yes");
    EXPECT(c, "(closed)", "DEBUG ASSERT");
    cr_assert_eq(server_wait_exit(s), 1);
    says(s, "ASSERTION FAILED");
    says(s, "STACK TRACE");
}

Test(startup, the_watchdog_tells_where_the_server_hangs) {
    struct server *s = server_run("--enable-debug-command", "yes", NULL);
    redisContext *c = ask_open(s);
    char *log;

    EXPECT(c, "+OK", "DEBUG SLEEP 0.3");
    EXPECT(c, "+OK", "CONFIG SET watchdog-period 10");
    EXPECT(c, "[$watchdog-period $200]", "CONFIG GET watchdog-period");
    log = server_log(s);
    cr_assert(!strstr(log, "WATCHDOG"));
    free(log);
    EXPECT(c, "+OK", "DEBUG SLEEP 0.6");
    says(s, "--- WATCHDOG TIMER EXPIRED ---");
    says(s, "STACK TRACE");
    EXPECT(c, "+OK", "CONFIG SET watchdog-period 0");
    EXPECT(c, "+OK", "DEBUG SLEEP 0.3");
    log = server_log(s);
    cr_assert(!strstr(strstr(log, "WATCHDOG") + 1, "WATCHDOG"));
    free(log);
}

/* What /proc says of the process's main thread and of the others. */
static void runs_on(const struct server *s, bool main_thread, const char *cpus) {
    char pattern[64];
    glob_t g;

    snprintf(pattern, sizeof pattern, "/proc/%d/task/*/status", (int)server_pid(s));
    cr_assert_eq(glob(pattern, 0, NULL, &g), 0);
    for (size_t i = 0; i < g.gl_pathc; i++) {
        bool is_main = atoi(strstr(g.gl_pathv[i], "task/") + 5) == (int)server_pid(s);
        char line[256], want[64];
        FILE *f = is_main == main_thread ? fopen(g.gl_pathv[i], "r") : NULL;

        snprintf(want, sizeof want, "Cpus_allowed_list:\t%s\n", cpus);
        while (f && fgets(line, sizeof line, f))
            if (strncmp(line, "Cpus_allowed_list", 17) == 0) cr_expect_str_eq(line, want);
        if (f) fclose(f);
    }
    globfree(&g);
}

Test(startup, threads_run_where_they_are_told) {
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) < 0 || !CPU_ISSET(0, &set) || !CPU_ISSET(1, &set))
        cr_skip_test("needs CPUs 0 and 1");
    struct server *s =
        server_run("--appendonly", "yes", "--server-cpulist", "0", "--bio-cpulist", "1", NULL);
    runs_on(s, true, "0");
    runs_on(s, false, "1");
}

Test(startup, a_locale_must_exist) {
    struct server *s = server_run("--locale-collate", "C", NULL);
    redisContext *c = ask_open(s);

    EXPECT(c,
           "-ERR CONFIG SET failed (possibly related to argument 'locale-collate') - Failed to "
           "configure LOCALE for invalid locale name.",
           "CONFIG SET locale-collate xx_NO");
    EXPECT(c, "[$locale-collate $C]", "CONFIG GET locale-collate");
    s = server_new();
    server_launch(s, "--port", "0", "--unixsocket", "s.sock", "--locale-collate", "xx_NO", NULL);
    cr_assert_eq(server_wait_exit(s), 1);
}

Test(startup, systemd_is_told_when_it_is_ready) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct server *s = server_new();
    struct timeval patience = {20, 0};
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    char text[512] = "";

    snprintf(a.sun_path, sizeof a.sun_path, "%s", server_path(s, "notify"));
    cr_assert(bind(fd, (struct sockaddr *)&a, sizeof a) == 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setenv("NOTIFY_SOCKET", a.sun_path, 1);
    server_launch(s, "--supervised", "systemd", "--port", "0", "--unixsocket", "s.sock", NULL);
    while (!strstr(text, "READY=1")) {
        ssize_t n = recv(fd, text, sizeof text - 1, 0);
        cr_assert_gt(n, 0, "READY=1 did not come");
        text[n] = 0;
    }
    cr_assert_eq(server_signal(s, SIGTERM), 0);
}

Test(startup, two_servers_without_aof_may_share_a_directory) {
    struct server *a = server_run(NULL, NULL), *b = server_new();

    server_start(b, "--dir", server_dir(a), NULL);
    EXPECT(ask_open(b), "+PONG", "PING");
}

Test(startup, shutdown_takes_its_options) {
    struct server *s = server_run(NULL, NULL);
    redisContext *c = ask_open(s);

    EXPECT(c, "-ERR syntax error", "SHUTDOWN FOO");
    EXPECT(c, "-ERR syntax error", "SHUTDOWN SAVE NOSAVE");
    EXPECT(c, "-ERR No shutdown in progress.", "SHUTDOWN ABORT");
    EXPECT(c, "(closed)", "SHUTDOWN NOSAVE NOW FORCE");
    cr_assert_eq(server_wait_exit(s), 0);
}

/* ---------------------------------------------------------------- data that is not loaded */

Test(startup, an_append_only_file_that_is_not_loaded_is_named) {
    struct server *s = server_run("--appendonly", "yes", NULL);

    EXPECT(ask_open(s), "+OK", "SET k v");
    server_kill(s);
    server_start(s, "--appendonly", "no", NULL);
    server_wait_log(s, "holds the append only file 'appendonly.aof'");
    server_wait_log(s, "start with: --appendonly yes");
    EXPECT(ask_open(s), "(nil)", "GET k");
    server_kill(s);
    server_start(s, "--appendonly", "yes", "--appendfilename", "other.aof", NULL);
    server_wait_log(s, "also holds the append only file 'appendonly.aof'");
    server_kill(s);
    server_start(s, "--appendonly", "no", "--appendfilename", "third.aof", NULL);
    server_wait_log(s, "--appendonly yes --appendfilename other.aof");
}

static void refuses(const char *phrase, const char *name, const char *value, const char *more) {
    struct server *s = server_new();

    server_launch(s, name, value, more, NULL);
    cr_assert_eq(server_wait_exit(s), 1);
    cr_assert(strstr(server_log(s), phrase), "%s", server_log(s));
}

Test(startup, a_server_that_listens_nowhere_does_not_start) {
    refuses("Configured to not listen anywhere, exiting.", "--port", "0", NULL);
}

Test(startup, what_would_pass_for_a_protection_refuses_the_start) {
    struct server *s;

    if (!server_is_stet()) return;
    refuses("The setting 'loadmodule' cannot be carried out", "--loadmodule", "/x.so", NULL);
    s = server_run("--loadmodule", "/x.so", "--active-expire-effort", "5", "--ignore-unsupported",
                   "yes", NULL);
    server_wait_log(s, "The setting 'loadmodule' has no effect");
    server_wait_log(s, "These settings have no effect: 'active-expire-effort'.");
}

Test(startup, a_limit_without_its_unit_is_warned_of) {
    server_wait_log(server_run("--maxmemory", "100", NULL),
                    "WARNING: You specified a maxmemory value that is less than 1MB");
}
