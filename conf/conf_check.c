/* SPDX-License-Identifier: BSD-3-Clause
 *
 * conf_check - rules beyond the kind of a value, one row of the table below each.
 *
 * A rule sees the new value in place and may correct it (hz) or refuse it.
 */
#include "conf/conf_impl.h"
#include "storage/base/num.h"

#include <arpa/inet.h>
#include <ctype.h>

static int check_hz(const struct conf_assign *a) {
    if (a->v->hz < 1) a->v->hz = 1;
    if (a->v->hz > 500) a->v->hz = 500;
    return 0;
}

/* Two rounds of the cron, which restarts the watchdog, must fit in. */
static int check_watchdog(const struct conf_assign *a) {
    int64_t least = 2 * (1000 / (a->v->hz > 0 ? a->v->hz : 1));

    if (a->v->watchdog_period && a->v->watchdog_period < least) a->v->watchdog_period = least;
    return 0;
}

/* A smaller backlog is useless. */
static int check_backlog(const struct conf_assign *a) {
    if (a->v->repl_backlog_size < 16384) a->v->repl_backlog_size = 16384;
    return 0;
}

static int check_basename(const struct conf_assign *a) {
    if (strchr(a->argv[0].p, '/'))
        return err_set(a->e, CONF_ERR_VALUE, "%s can't be a path, just a %s", a->row->name,
                       strstr(a->row->name, "dirname") ? "dirname" : "filename");
    return 0;
}

static int check_basename_given(const struct conf_assign *a) {
    if (a->argv[0].n == 0) return err_set(a->e, CONF_ERR_VALUE, "%s can't be empty", a->row->name);
    return check_basename(a);
}

/* The title must not become empty, and the words in braces must be known. */
static int check_title(const struct conf_assign *a) {
    static const char *const known[] = {"title",    "listen-addr", "server-mode", "port",
                                        "tls-port", "unixsocket",  "config-file"};
    const char *p = a->argv[0].p;
    bool ok = *p != '\0';

    while (ok && (p = strchr(p, '{'))) {
        size_t n = strcspn(++p, "}"), i = 0;

        while (i < sizeof known / sizeof *known && !slice_eq(slice_of(p, n), slice_str(known[i])))
            i++;
        ok = p[n] == '}' && i < sizeof known / sizeof *known;
        p += n;
    }
    return ok ? 0
              : err_set(a->e, CONF_ERR_VALUE,
                        "template format is invalid or contains unknown variables");
}

static int check_shutdown(const struct conf_assign *a) {
    unsigned v = *(const unsigned *)conf_field_const(a->row, a->v);

    if ((v & CONF_SHUTDOWN_SAVE) && (v & CONF_SHUTDOWN_NOSAVE))
        return err_set(a->e, CONF_ERR_VALUE,
                       "shutdown options SAVE and NOSAVE can't be used simultaneously");
    return 0;
}

enum { HOSTNAME_MAX = 256 };

static int check_hostname(const struct conf_assign *a) {
    struct slice s = a->argv[0];

    if (s.n >= HOSTNAME_MAX)
        return err_set(a->e, CONF_ERR_VALUE, "Hostnames must be less than %d characters",
                       HOSTNAME_MAX);
    for (size_t i = 0; i < s.n; i++)
        if (!isalnum((unsigned char)s.p[i]) && s.p[i] != '-' && s.p[i] != '.')
            return err_set(a->e, CONF_ERR_VALUE,
                           "Hostnames may only contain alphanumeric characters, hyphens or dots");
    return 0;
}

static int check_nodename(const struct conf_assign *a) {
    struct slice s = a->argv[0];

    for (size_t i = 0; i < s.n; i++)
        if (!isalnum((unsigned char)s.p[i]) && s.p[i] != '-' && s.p[i] != '.' && s.p[i] != '_')
            return err_set(a->e, CONF_ERR_VALUE,
                           "Announced human node name contained invalid character");
    return 0;
}

/* It stands in a line of INFO. */
static int check_zone(const struct conf_assign *a) {
    struct slice s = a->argv[0];

    for (size_t i = 0; i < s.n; i++)
        if (iscntrl((unsigned char)s.p[i]))
            return err_set(a->e, CONF_ERR_VALUE, "A zone has no control characters");
    return 0;
}

static int check_ipv4(const struct conf_assign *a) {
    const char *ip = a->v->cluster_announce_client_ipv4;
    struct in_addr in;

    if (!ip || inet_pton(AF_INET, ip, &in) == 1) return 0;
    return err_set(a->e, CONF_ERR_VALUE, "Invalid IPv4 address");
}

static int check_ipv6(const struct conf_assign *a) {
    const char *ip = a->v->cluster_announce_client_ipv6;
    struct in6_addr in;

    if (!ip || inet_pton(AF_INET6, ip, &in) == 1) return 0;
    return err_set(a->e, CONF_ERR_VALUE, "Invalid IPv6 address");
}

/* A file that asks for it must not keep the server from starting; a request at run time, as test
 * suites do to see whether it is there, gets the truth. */
static int check_defrag(const struct conf_assign *a) {
    if (!a->loading && a->v->activedefrag)
        return err_set(a->e, CONF_ERR_VALUE,
                       "Active defragmentation cannot be enabled: it requires a Redis server "
                       "compiled with a modified Jemalloc like the one shipped by default with "
                       "the Redis source distribution");
    return 0;
}

bool conf_history_keep(const char *text, uint64_t *bytes, int64_t *ms) {
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"min", 60000}, {"h", 3600000}, {"d", 86400000}};
    size_t digits = strspn(text, "0123456789");

    *bytes = 0;
    *ms = 0;
    for (size_t i = 0; digits && i < sizeof units / sizeof *units; i++)
        if (strcasecmp(text + digits, units[i].unit) == 0)
            return num_parse_i64(text, digits, ms) && !__builtin_mul_overflow(*ms, units[i].ms, ms);
    return num_parse_size(text, strlen(text), bytes);
}

static int check_history_keep(const struct conf_assign *a) {
    uint64_t bytes;
    int64_t ms;

    if (conf_history_keep(a->v->aof_history_keep, &bytes, &ms)) return 0;
    return err_set(a->e, CONF_ERR_VALUE,
                   "argument must be a size (512mb) or a time (90s, 30min, 12h, 7d)");
}

static const struct {
    const char *name;
    int (*check)(const struct conf_assign *a);
} checks[] = {
    {"hz", check_hz},
    {"repl-backlog-size", check_backlog},
    {"watchdog-period", check_watchdog},
    {"dbfilename", check_basename},
    {"appendfilename", check_basename_given},
    {"appenddirname", check_basename_given},
    {"proc-title-template", check_title},
    {"availability-zone", check_zone},
    {"shutdown-on-sigint", check_shutdown},
    {"shutdown-on-sigterm", check_shutdown},
    {"cluster-announce-hostname", check_hostname},
    {"cluster-announce-human-nodename", check_nodename},
    {"cluster-announce-client-ipv4", check_ipv4},
    {"cluster-announce-client-ipv6", check_ipv6},
    {"activedefrag", check_defrag},
    {"aof-history-keep", check_history_keep},
};

int conf_check(const struct conf_assign *a) {
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        if (strcmp(checks[i].name, a->row->name) == 0) return checks[i].check(a);
    return 0;
}
