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

/* Every thread logs; the main thread changes what is atomic while they do. */
static struct {
    int fd;
    _Atomic enum log_level level;
    _Atomic char role;
    bool to_syslog;
    char file[4096]; /* absolute: the working directory may change */
    _Atomic enum log_format format;
    _Atomic enum log_time time;
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
    log_set_form(o->format, o->time);
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

void log_set_form(enum log_format format, enum log_time time) {
    sink.format = format;
    sink.time = time;
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

/* ---------------------------------------------------------------- a line */

enum { LINE_MAX_BYTES = 2048, STAMP_BYTES = 48, HEAD_BYTES = 128 };

/* "+01:00" of the zone that strftime(3) tells as "+0100". */
static int append_zone(char *out, size_t size, const struct tm *tm) {
    char zone[8] = "";

    if (strftime(zone, sizeof zone, "%z", tm) != 5) return 0;
    return snprintf(out, size, "%.3s:%s", zone, zone + 3);
}

static void stamp(char out[STAMP_BYTES]) {
    int64_t us = clock_wall_us();
    time_t sec = (time_t)(us / 1000000);
    int ms = (int)(us / 1000 % 1000), n;
    struct tm tm;

    if (sink.time == LOG_TIME_MS) {
        snprintf(out, STAMP_BYTES, "%lld", (long long)(us / 1000));
        return;
    }
    localtime_r(&sec, &tm);
    n = (int)strftime(out, STAMP_BYTES,
                      sink.time == LOG_TIME_ISO ? "%Y-%m-%dT%H:%M:%S" : "%d %b %Y %H:%M:%S", &tm);
    n += snprintf(out + n, STAMP_BYTES - (size_t)n, ".%03d", ms);
    if (sink.time == LOG_TIME_ISO) append_zone(out + n, STAMP_BYTES - (size_t)n, &tm);
}

static const char *role_name(void) {
    return sink.role == 'S' ? "replica" : sink.role == 'X' ? "sentinel" : "primary";
}

/* What stands before the message (out has HEAD_BYTES), and after it. */
static int head_of(char *out, enum log_level level) {
    static const char marks[] = ".-*#";
    static const char *const names[] = {"debug", "verbose", "notice", "warning"};
    char when[STAMP_BYTES];

    stamp(when);
    if (sink.format == LOG_AS_TEXT)
        return snprintf(out, HEAD_BYTES, "%d:%c %s %c ", (int)getpid(), sink.role, when,
                        marks[level]);
    if (sink.format == LOG_AS_LOGFMT)
        return snprintf(out, HEAD_BYTES, "pid=%d role=%s timestamp=\"%s\" level=%s message=\"",
                        (int)getpid(), role_name(), when, names[level]);
    return snprintf(out, HEAD_BYTES,
                    "{\"pid\":%d,\"role\":\"%s\",\"timestamp\":\"%s\",\"level\":\"%s\","
                    "\"message\":\"",
                    (int)getpid(), role_name(), when, names[level]);
}

static const char *tail_of(void) {
    return sink.format == LOG_AS_JSON ? "\"}\n" : sink.format == LOG_AS_LOGFMT ? "\"\n" : "\n";
}

/* A message may repeat what a client or another server has sent: it must not begin a line. */
static void mask_controls(char *p, int n) {
    for (int i = 0; i < n; i++)
        if ((unsigned char)p[i] < ' ' || p[i] == 0x7f) p[i] = '?';
}

/* Bytes of the character in UTF-8 that stands at p; 0: none does. */
static int utf8_length(const unsigned char *p, int n) {
    static const struct {
        unsigned char mask, lead,
            least; /* least: of the second byte, so that it is no longer form */
    } forms[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0}, {0xf0, 0xe0, 0xa0}, {0xf8, 0xf0, 0x90}};

    for (int len = 1; len <= 4 && len <= n; len++) {
        if ((p[0] & forms[len - 1].mask) != forms[len - 1].lead) continue;
        for (int i = 1; i < len; i++)
            if ((p[i] & 0xc0) != 0x80) return 0;
        if (len == 2 && p[0] < 0xc2) return 0;
        if (len > 2 && !(p[0] & (len == 3 ? 0x0f : 0x07)) && p[1] < forms[len - 1].least) return 0;
        if (len == 3 && p[0] == 0xed && p[1] >= 0xa0) return 0; /* half of a pair */
        if (len == 4 && (p[0] > 0xf4 || (p[0] == 0xf4 && p[1] >= 0x90))) return 0;
        return len;
    }
    return 0;
}

/* The message within quotes; as much of it as fits. Returns the bytes written. */
static int quote(char *out, int size, const char *text, int n) {
    int at = 0;

    for (int i = 0; i < n;) {
        int len = utf8_length((const unsigned char *)text + i, n - i);
        bool escaped = text[i] == '"' || text[i] == '\\';

        if (at + (len ? len : 1) + escaped > size) break;
        if (escaped) out[at++] = '\\';
        if (len)
            memcpy(out + at, text + i, (size_t)len);
        else
            out[at] = '?';
        at += len ? len : 1;
        i += len ? len : 1;
    }
    return at;
}

/* Head, message, tail: `line` has LINE_MAX_BYTES. */
static int compose(char *line, enum log_level level, const char *text, int n) {
    int head = head_of(line, level), room = LINE_MAX_BYTES - head - 4;
    const char *tail = tail_of();

    if (sink.format == LOG_AS_TEXT) {
        if (n > room) n = room;
        memcpy(line + head, text, (size_t)n);
    } else {
        n = quote(line + head, room, text, n);
    }
    memcpy(line + head + n, tail, strlen(tail));
    return head + n + (int)strlen(tail);
}

void log_at(enum log_level level, const char *fmt, ...) {
    static const int priority[] = {LOG_DEBUG, LOG_INFO, LOG_NOTICE, LOG_WARNING};
    char text[LINE_MAX_BYTES], line[LINE_MAX_BYTES];
    va_list ap;
    int n;

    if (level < sink.level) return;
    va_start(ap, fmt);
    n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n < 0) return;
    if ((size_t)n >= sizeof text) n = (int)sizeof text - 1;
    mask_controls(text, n);
    if (sink.to_syslog) syslog(priority[level], "%.*s", n, text);
    put(line, (size_t)compose(line, level, text, n));
}

void log_raw(enum log_level level, const char *text) {
    if (level >= sink.level) put(text, strlen(text));
}
