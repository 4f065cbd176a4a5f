/* SPDX-License-Identifier: BSD-3-Clause
 *
 * log - one line an event, in Redis' format ("PID:ROLE DD Mon YYYY HH:MM:SS.mmm LEVEL text"), as
 * logfmt or as JSON, with the field names of Valkey 9. A line of JSON is valid UTF-8.
 *
 * The sink is a global of the process (file descriptor, level, role, optional syslog). Any thread
 * may log: a line is one write(2). A forked child never logs; it reports through its pipe.
 */
#ifndef STET_BASE_LOG_H
#define STET_BASE_LOG_H

#include "storage/base/err.h"

enum log_level { LOG_AT_DEBUG, LOG_AT_VERBOSE, LOG_AT_NOTICE, LOG_AT_WARNING, LOG_AT_NOTHING };

enum log_format { LOG_AS_TEXT, LOG_AS_LOGFMT, LOG_AS_JSON };
enum log_time { LOG_TIME_TEXT, LOG_TIME_ISO, LOG_TIME_MS }; /* ISO 8601; unix milliseconds */

struct log_options {
    enum log_level level;
    const char *file;         /* NULL or "": standard output; opened for append at each log_open */
    const char *syslog_ident; /* NULL: no syslog */
    int syslog_facility;
    enum log_format format;
    enum log_time time;
};

int log_open(const struct log_options *o, struct err *e);
void log_set_level(enum log_level level);
void log_set_form(enum log_format format, enum log_time time);
void log_set_role(char role); /* 'M' master, 'S' replica, 'C' child, 'X' sentinel */

__attribute__((format(printf, 2, 3))) void log_at(enum log_level level, const char *fmt, ...);

/* Text as it is, without a prefix, at `level` (the banner, crash reports). */
void log_raw(enum log_level level, const char *text);

/* Opens the file again if it was renamed or removed meanwhile (log rotation). Now and then. */
void log_follow_file(void);

/* Where a signal handler may write(2) to. */
int log_fd(void);

#define log_debug(...)   log_at(LOG_AT_DEBUG, __VA_ARGS__)
#define log_verbose(...) log_at(LOG_AT_VERBOSE, __VA_ARGS__)
#define log_notice(...)  log_at(LOG_AT_NOTICE, __VA_ARGS__)
#define log_warning(...) log_at(LOG_AT_WARNING, __VA_ARGS__)

#endif
