/* SPDX-License-Identifier: BSD-3-Clause
 *
 * process - what the operating system and a supervisor see of the server: daemon, pid and port
 * files, title, notification, crash report.
 */
#ifndef STET_SERVER_PROCESS_H
#define STET_SERVER_PROCESS_H

#include "conf/conf.h"

#include <sys/types.h>

/* Before anything else: moves the environment so that the title has room. */
void process_init(int argc, char **argv);

/* Leaves the terminal if `daemonize` says so. 0, or -1. */
int process_daemonize(const struct conf_values *v, struct err *e);

/* The banner and the first lines of the log file. */
void process_log_start(const struct conf *c, int argc, char **argv);

void process_set_title(const struct conf_values *v, int port);
void process_set_child_title(const char *title);

/* Sets the score by which the kernel chooses a process to kill, as oom-score-adj says, for this
 * process and the children to come; what the process was started with, once that is switched off
 * again. -1: the kernel refused, the log says why, and the score is what it was. */
int process_oom_score(const struct conf_values *v);

/* Raises the limit of open files for so many clients, and `for_others` more; returns for how many
 * clients there is room. */
int64_t process_allow_clients(int64_t maxclients, unsigned for_others);

/* Binds the calling thread to CPUs as "0-3,6" or "0-7:2" (every second) names them. NULL: to those
 * that it had before the first call. */
void process_set_cpus(const char *list, const char *parameter);

/* SORT ALPHA's order; "" is the environment's. 0, or -1. */
int process_set_collation(const char *locale, struct err *e);

/* Opens what could not be opened in the sandbox: the pid file and the port file, under temporary
 * names, and the file of the OOM score. */
void process_prepare(const struct conf_values *v);

/* The pid file appears. What fails is logged. */
void process_write_pid(void);

/* Where the pid file is, NULL: there is none. */
const char *process_pid_path(const struct conf_values *v);

/* Makes both files another user's. 0, or -1 with errno. */
int process_give_files(uid_t uid, gid_t gid);

/* A start that failed: the pid file and the port file go. */
void process_abandon(void);

/* Serving begins: port file, notification. */
int process_ready(const struct conf_values *v, const int *ports, size_t nports, struct err *e);
void process_stopping(const struct conf_values *v);

/* For signal handlers: text, and the stack of the thread, to where the log goes. */
void process_write(const char *text);
void process_write_stack(void);

/* SIGSEGV and the like write a report to the log file before they end the process. */
void process_catch_crashes(void);

/* use-exit-on-panic: a check that fails ends the process by exit(1) instead of abort(). */
void process_exit_on_panic(bool on);

#endif
