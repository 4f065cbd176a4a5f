/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/base/log.h"

#include "storage/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

static struct {
    int fd;
    enum log_level level;
    char role;
    bool to_syslog;
    char file[4096]; /* absolute: the working directory may change */
} sink = {STDOUT_FILENO, LOG_AT_NOTICE, 'M', false};

int log_open(const struct log_options *o, struct err *e) {
    int fd = STDOUT_FILENO;

    if (o->file && o->file[0]) {
        fd = open(o->file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        if (fd < 0)
            return err_set(e, errno, "Can't open the log file '%s': %s", o->file, strerror(errno));
    }
    if (sink.fd != STDOUT_FILENO) close(sink.fd);
    sink.fd = fd;
    if (fd == STDOUT_FILENO || !realpath(o->file, sink.file)) sink.file[0] = '\0';
    sink.level = o->level;
    if (o->syslog_ident && !sink.to_syslog)
        openlog(o->syslog_ident, LOG_PID | LOG_NDELAY | LOG_NOWAIT, o->syslog_facility);
    sink.to_syslog = o->syslog_ident != NULL;
    return 0;
}

void log_follow_file(void) {
    struct stat now, ours;
    int fd;

    if (!sink.file[0] || fstat(sink.fd, &ours) < 0) return;
    if (stat(sink.file, &now) == 0 && now.st_ino == ours.st_ino && now.st_dev == ours.st_dev)
        return;
    fd = open(sink.file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0) return; /* the old file is better than none */
    dup3(fd, sink.fd, O_CLOEXEC);
    close(fd);
}

void log_set_level(enum log_level level) {
    sink.level = level;
}

void log_set_role(char role) {
    sink.role = role;
}

int log_fd(void) {
    return sink.fd;
}

static void put(const char *p, size_t n) {
    ssize_t rc;

    do rc = write(sink.fd, p, n);
    while (rc < 0 && errno == EINTR);
}

static int prefix(char *out, size_t size, enum log_level level) {
    static const char marks[] = ".-*#";
    int64_t us = clock_wall_us();
    time_t sec = (time_t)(us / 1000000);
    struct tm tm;
    int n;

    localtime_r(&sec, &tm);
    n = snprintf(out, size, "%d:%c ", (int)getpid(), sink.role);
    n += (int)strftime(out + n, size - (size_t)n, "%d %b %Y %H:%M:%S.", &tm);
    n += snprintf(out + n, size - (size_t)n, "%03d %c ", (int)(us / 1000 % 1000), marks[level]);
    return n;
}

/* A message may repeat what a client or another server has sent: it must not begin a line. */
static void mask_controls(char *p, int n) {
    for (int i = 0; i < n; i++)
        if ((unsigned char)p[i] < ' ' || p[i] == 0x7f) p[i] = '?';
}

void log_at(enum log_level level, const char *fmt, ...) {
    static const int priority[] = {LOG_DEBUG, LOG_INFO, LOG_NOTICE, LOG_WARNING};
    char line[2048];
    va_list ap;
    int head, n;

    if (level < sink.level) return;
    head = prefix(line, sizeof line, level);
    va_start(ap, fmt);
    n = vsnprintf(line + head, sizeof line - (size_t)head - 1, fmt, ap);
    va_end(ap);
    if (n < 0) return;
    if ((size_t)(head + n) > sizeof line - 2) n = (int)sizeof line - 2 - head;
    mask_controls(line + head, n);
    if (sink.to_syslog) syslog(priority[level], "%.*s", n, line + head);
    line[head + n] = '\n';
    put(line, (size_t)(head + n) + 1);
}

void log_raw(enum log_level level, const char *text) {
    if (level >= sink.level) put(text, strlen(text));
}
