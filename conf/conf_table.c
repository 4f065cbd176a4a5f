/* SPDX-License-Identifier: BSD-3-Clause
 *
 * conf_table - the rows of params.def as a table, the words of the enumerations, and look-up.
 */
#include "conf/conf_impl.h"

#include "storage/base/check.h"

#include <stddef.h>
#include <syslog.h>

/* The order of the words is the order in which error messages list them. */
static const struct conf_word conf_fsync_words[] = {
    {"everysec", CONF_FSYNC_EVERYSEC}, {"always", CONF_FSYNC_ALWAYS}, {"no", CONF_FSYNC_NO}, {0}};
static const struct conf_word conf_access_words[] = {
    {"no", CONF_ACCESS_NO}, {"yes", CONF_ACCESS_YES}, {"local", CONF_ACCESS_LOCAL}, {0}};
static const struct conf_word conf_loglevel_words[] = {
    {"debug", CONF_LOG_DEBUG},     {"verbose", CONF_LOG_VERBOSE}, {"notice", CONF_LOG_NOTICE},
    {"warning", CONF_LOG_WARNING}, {"nothing", CONF_LOG_NONE},    {0}};
static const struct conf_word conf_log_format_words[] = {
    {"legacy", CONF_LOG_LEGACY}, {"logfmt", CONF_LOG_LOGFMT}, {"json", CONF_LOG_JSON}, {0}};
static const struct conf_word conf_log_time_words[] = {
    {"legacy", CONF_TIME_LEGACY}, {"iso8601", CONF_TIME_ISO}, {"milliseconds", CONF_TIME_MS}, {0}};
static const struct conf_word conf_supervised_words[] = {{"upstart", CONF_SUPERVISED_UPSTART},
                                                         {"systemd", CONF_SUPERVISED_SYSTEMD},
                                                         {"auto", CONF_SUPERVISED_AUTO},
                                                         {"no", CONF_SUPERVISED_NO},
                                                         {0}};
static const struct conf_word conf_facility_words[] = {
    {"user", LOG_USER},     {"local0", LOG_LOCAL0},
    {"local1", LOG_LOCAL1}, {"local2", LOG_LOCAL2},
    {"local3", LOG_LOCAL3}, {"local4", LOG_LOCAL4},
    {"local5", LOG_LOCAL5}, {"local6", LOG_LOCAL6},
    {"local7", LOG_LOCAL7}, {0}};
static const struct conf_word conf_oom_words[] = {{"no", CONF_OOM_NO},
                                                  {"yes", CONF_OOM_RELATIVE},
                                                  {"relative", CONF_OOM_RELATIVE},
                                                  {"absolute", CONF_OOM_ABSOLUTE},
                                                  {0}};
static const struct conf_word conf_pubsub_words[] = {
    {"allchannels", CONF_PUBSUB_ALL}, {"resetchannels", CONF_PUBSUB_RESET}, {0}};
static const struct conf_word conf_sanitize_words[] = {
    {"no", CONF_SANITIZE_NO}, {"yes", CONF_SANITIZE_YES}, {"clients", CONF_SANITIZE_CLIENTS}, {0}};
static const struct conf_word conf_io_backend_words[] = {
    {"auto", CONF_IO_AUTO}, {"epoll", CONF_IO_EPOLL}, {"io_uring", CONF_IO_URING}, {0}};
static const struct conf_word conf_tls_user_words[] = {
    {"CN", CONF_TLS_USER_CN}, {"URI", CONF_TLS_USER_URI}, {"off", CONF_TLS_USER_OFF}, {0}};
static const struct conf_word conf_tls_auth_words[] = {{"no", CONF_TLS_AUTH_NO},
                                                       {"yes", CONF_TLS_AUTH_YES},
                                                       {"optional", CONF_TLS_AUTH_OPTIONAL},
                                                       {0}};
static const struct conf_word conf_ack_words[] = {
    {"received", CONF_ACK_RECEIVED}, {"synced", CONF_ACK_SYNCED}, {0}};
static const struct conf_word conf_diskless_words[] = {{"disabled", CONF_DISKLESS_DISABLED},
                                                       {"on-empty-db", CONF_DISKLESS_EMPTY_DB},
                                                       {"swapdb", CONF_DISKLESS_SWAPDB},
                                                       {0}};
static const struct conf_word conf_endpoint_words[] = {{"ip", CONF_ENDPOINT_IP},
                                                       {"hostname", CONF_ENDPOINT_HOSTNAME},
                                                       {"unknown-endpoint", CONF_ENDPOINT_UNKNOWN},
                                                       {0}};
static const struct conf_word conf_propagation_words[] = {
    {"ignore", CONF_PROPAGATION_IGNORE},
    {"panic", CONF_PROPAGATION_PANIC},
    {"panic-on-replicas", CONF_PROPAGATION_PANIC_ON_REPLICAS},
    {0}};
static const struct conf_word conf_policy_words[] = {
    {"volatile-lru", CONF_EVICT_VOLATILE_LRU},
    {"volatile-lfu", CONF_EVICT_VOLATILE_LFU},
    {"volatile-random", CONF_EVICT_VOLATILE_RANDOM},
    {"volatile-ttl", CONF_EVICT_VOLATILE_TTL},
    {"allkeys-lru", CONF_EVICT_ALLKEYS_LRU},
    {"allkeys-lfu", CONF_EVICT_ALLKEYS_LFU},
    {"allkeys-random", CONF_EVICT_ALLKEYS_RANDOM},
    {"volatile-lrm", CONF_EVICT_VOLATILE_LRM},
    {"allkeys-lrm", CONF_EVICT_ALLKEYS_LRM},
    {"noeviction", CONF_EVICT_NONE},
    {0}};
static const struct conf_word conf_compat_words[] = {
    {"7.2", CONF_COMPAT_7_2}, {"8.0", CONF_COMPAT_8_0}, {0}};
static const struct conf_word conf_save_behavior_words[] = {
    {"sync", CONF_SAVE_SYNC}, {"best-effort", CONF_SAVE_BEST_EFFORT}, {0}};
static const struct conf_word conf_version_check_words[] = {
    {"strict", CONF_VERSION_STRICT}, {"relaxed", CONF_VERSION_RELAXED}, {0}};
static const struct conf_word conf_shutdown_words[] = {{"default", 0},
                                                       {"save", CONF_SHUTDOWN_SAVE},
                                                       {"nosave", CONF_SHUTDOWN_NOSAVE},
                                                       {"now", CONF_SHUTDOWN_NOW},
                                                       {"force", CONF_SHUTDOWN_FORCE},
                                                       {"safe", CONF_SHUTDOWN_SAFE},
                                                       {"failover", CONF_SHUTDOWN_FAILOVER},
                                                       {0}};

#define ROW(k, f, n, a, fl)                                                                        \
    .name = n, .alias = a, .kind = k, .flags = fl, .offset = offsetof(struct conf_values, f),      \
    .size = sizeof((struct conf_values *)0)->f

#define BOOL(f, n, a, fl, d) {ROW(KIND_BOOL, f, n, a, fl), .def.number = d},
#define INT(f, n, a, fl, lo, hi, d)                                                                \
    {ROW(KIND_INT, f, n, a, fl), .min = lo, .max = hi, .def.number = d},
#define SIZE(f, n, a, fl, lo, hi, d)                                                               \
    {ROW(KIND_SIZE, f, n, a, fl), .min = lo, .max = hi, .def.number = d},
#define ENUM(f, n, a, fl, w, d) {ROW(KIND_ENUM, f, n, a, fl), .words = w, .def.number = d},
#define BITS(f, n, a, fl, w, d) {ROW(KIND_BITS, f, n, a, fl), .words = w, .def.number = d},
#define STRING(f, n, a, fl, d)  {ROW(KIND_STRING, f, n, a, fl), .def.text = d},
#define SPECIAL(type, f, n, a, fl, d)                                                              \
    {ROW(KIND_SPECIAL, f, n, a, fl), .ops = OPS(type), .def.text = d},

/* The operations follow from the type: a SPECIAL row cannot be given the wrong ones. */
#define OPS(type)                                                                                  \
    _Generic((type *)0, struct conf_bind *                                                         \
             : &conf_bind_ops, struct conf_dir *                                                   \
             : &conf_dir_ops, struct conf_secret *                                                 \
             : &conf_secret_ops, struct conf_save *                                                \
             : &conf_save_ops, struct conf_output_limits *                                         \
             : &conf_output_limits_ops, struct conf_notify *                                       \
             : &conf_notify_ops, struct conf_percentiles *                                         \
             : &conf_percentiles_ops, struct conf_oom_values *                                     \
             : &conf_oom_values_ops, struct conf_replicaof *                                       \
             : &conf_replicaof_ops)

const struct conf_row conf_rows[] = {
#include "conf/params.def"
};
const size_t conf_row_count = sizeof conf_rows / sizeof *conf_rows;

/* Two hundred rows and a look-up per line of a file or CONFIG command: a scan will do. */
const struct conf_row *conf_find(struct slice name, const char **canonical) {
    for (size_t i = 0; i < conf_row_count; i++) {
        const struct conf_row *r = &conf_rows[i];
        bool primary = slice_is(name, r->name);

        if (!primary && !(r->alias && slice_is(name, r->alias))) continue;
        if (canonical) *canonical = primary ? r->name : r->alias;
        return r;
    }
    return NULL;
}

bool conf_is_sensitive(struct slice name) {
    const struct conf_row *r = conf_find(name, NULL);

    return r && (r->flags & CONF_SENSITIVE);
}

bool conf_is_audited(struct slice name) {
    const struct conf_row *r = conf_find(name, NULL);

    return r && (r->flags & (CONF_AUDITED | CONF_SENSITIVE));
}

bool conf_denied_while_loading(struct slice name) {
    const struct conf_row *r = conf_find(name, NULL);

    return r && (r->flags & CONF_DENY_LOADING);
}
