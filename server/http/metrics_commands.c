/* SPDX-License-Identifier: BSD-3-Clause
 *
 * metrics_commands - calls, times and refusals by command; errors by code; keys by database; the
 * slow log. These do not pass through INFO's text: with hundreds of commands its lines would take
 * longer to write and read than the metrics.
 */
#include "conf/conf.h"
#include "server/exec/observe.h"
#include "server/exec/slowlog.h"
#include "server/http/metrics.h"
#include "storage/base/clock.h"

#include <stdio.h>

typedef void (*slot_fn)(struct scrape *s, const struct command_slot *c);

/* Every command and subcommand that was called or refused. */
static void each_slot(struct scrape *s, slot_fn fn) {
    const struct command_registry *r = &s->e->commands;

    for (unsigned i = 0; i < r->n; i++) {
        const struct command_slot *c = &r->slots[i];

        if (c->calls || c->rejected || c->failed) fn(s, c);
        for (unsigned k = 0; k < c->nsub; k++)
            if (c->sub[k].calls || c->sub[k].rejected || c->sub[k].failed) fn(s, &c->sub[k]);
    }
}

static void begin(struct scrape *s, const char *metric, const char *suffix,
                  const struct command_slot *c) {
    metric_name(&s->m, metric, suffix);
    metric_label(&s->m, "cmd", slice_str(c->name));
}

/* ---------------------------------------------------------------- counters */

#define CALLS    "redis_commands_total"
#define TIMES    "redis_commands_duration_seconds_total"
#define REJECTED "redis_commands_rejected_calls_total"
#define FAILED   "redis_commands_failed_calls_total"

static void calls(struct scrape *s, const struct command_slot *c) {
    begin(s, CALLS, "", c);
    metric_int(&s->m, (int64_t)c->calls);
}

static void times(struct scrape *s, const struct command_slot *c) {
    begin(s, TIMES, "", c);
    metric_us(&s->m, c->ns / 1000);
}

static void rejected(struct scrape *s, const struct command_slot *c) {
    begin(s, REJECTED, "", c);
    metric_int(&s->m, (int64_t)c->rejected);
}

static void failed(struct scrape *s, const struct command_slot *c) {
    begin(s, FAILED, "", c);
    metric_int(&s->m, (int64_t)c->failed);
}

void metrics_command_counts(struct scrape *s) {
    metric_family(&s->m, CALLS, M_COUNTER, "Calls of a command.");
    each_slot(s, calls);
}

void metrics_command_times(struct scrape *s) {
    metric_family(&s->m, TIMES, M_COUNTER, "Time that the calls of a command took.");
    each_slot(s, times);
}

void metrics_command_refusals(struct scrape *s) {
    metric_family(&s->m, REJECTED, M_COUNTER, "Calls that were refused before they ran.");
    each_slot(s, rejected);
    metric_family(&s->m, FAILED, M_COUNTER, "Calls that ran and failed.");
    each_slot(s, failed);
}

/* ---------------------------------------------------------------- distributions */

#define PERCENTILES "redis_latency_percentiles_usec"
#define LATENCIES   "redis_commands_latencies_usec"

static uint64_t total(const struct command_slot *c) {
    uint64_t n = 0;

    if (c->latency)
        for (int i = 0; i < OBSERVE_BUCKETS; i++) n += c->latency[i];
    return n;
}

static void percentile(struct scrape *s, const struct command_slot *c) {
    uint64_t n = total(c);

    if (n == 0) return;
    begin(s, PERCENTILES, "", c);
    metric_label(&s->m, "quantile", slice_str(s->bounds[0]));
    metric_milli(&s->m, (uint64_t)(observe_time_at(c->latency, n, s->percent) * 1000 + 0.5));
}

static void percentile_sum(struct scrape *s, const struct command_slot *c) {
    if (total(c) == 0) return;
    begin(s, PERCENTILES, "_sum", c);
    metric_int(&s->m, (int64_t)(c->ns / 1000));
}

static void percentile_count(struct scrape *s, const struct command_slot *c) {
    if (total(c) == 0) return;
    begin(s, PERCENTILES, "_count", c);
    metric_int(&s->m, (int64_t)c->calls);
}

/* Three families in OpenMetrics, where a quantile is at most 1. */
void metrics_percentiles(struct scrape *s) {
    static const char help[] = "Times that so many percent of the calls did not exceed.";
    const struct conf_percentiles *ps = &s->e->v->latency_tracking_info_percentiles;
    bool apart = s->m.openmetrics;

    if (!s->e->v->latency_tracking) return;
    metric_family(&s->m, PERCENTILES, apart ? M_UNKNOWN : M_SUMMARY, help);
    for (size_t i = 0; i < ps->n; i++) {
        s->percent = ps->p[i];
        snprintf(s->bounds[0], sizeof s->bounds[0], "%.10g", s->percent);
        each_slot(s, percentile);
    }
    if (apart) metric_family(&s->m, PERCENTILES "_sum", M_UNKNOWN, "Time of all calls.");
    each_slot(s, percentile_sum);
    if (apart) metric_family(&s->m, PERCENTILES "_count", M_UNKNOWN, "All calls.");
    each_slot(s, percentile_count);
}

/* Buckets without a call are left out, as in LATENCY HISTOGRAM. */
static void latencies(struct scrape *s, const struct command_slot *c) {
    uint64_t counts[OBSERVE_OCTAVES] = {0}, below = 0;

    if (!c->latency) return;
    for (int i = 0; i < OBSERVE_BUCKETS; i++) counts[i / OBSERVE_PARTS] += c->latency[i];
    for (int i = 0; i < OBSERVE_OCTAVES; i++) {
        if (counts[i] == 0) continue;
        below += counts[i];
        begin(s, LATENCIES, "_bucket", c);
        metric_label(&s->m, "le", slice_str(s->bounds[i]));
        metric_int(&s->m, (int64_t)below);
    }
    begin(s, LATENCIES, "_bucket", c);
    metric_label(&s->m, "le", SLICE("+Inf"));
    metric_int(&s->m, (int64_t)below);
    begin(s, LATENCIES, "_sum", c);
    metric_int(&s->m, (int64_t)(c->ns / 1000));
    begin(s, LATENCIES, "_count", c);
    metric_int(&s->m, (int64_t)below);
}

void metrics_latencies(struct scrape *s) {
    if (!s->e->v->latency_tracking) return;
    for (int i = 0; i < OBSERVE_OCTAVES; i++)
        metric_bound(s->bounds[i], &s->m, (double)observe_octave_us(i));
    metric_family(&s->m, LATENCIES, M_HISTOGRAM, "Times of the calls of a command.");
    each_slot(s, latencies);
}

/* ---------------------------------------------------------------- errors, keys, slow log */

void metrics_errors(struct scrape *s) {
    const struct engine *e = s->e;

    if (e->nerrors == 0) return;
    metric_family(&s->m, "redis_errors_total", M_COUNTER, "Error replies by their first word.");
    for (size_t i = 0; i < e->nerrors; i++) {
        metric_name(&s->m, "redis_errors_total", "");
        metric_label(&s->m, "err", slice_str(e->errors[i].code));
        metric_int(&s->m, (int64_t)e->errors[i].count);
    }
}

enum { DATABASES_MAX = 1024 }; /* beyond it only those that hold keys are listed */

static bool is_listed(const struct scrape *s, int db) {
    if (s->e->cluster && db > 0) return false; /* clients of a cluster reach database 0 only */
    return s->e->ks.ndbs <= DATABASES_MAX || s->e->ks.dbs[db].keys.count > 0;
}

static void begin_db(struct scrape *s, const char *metric, int db) {
    char text[24];

    snprintf(text, sizeof text, "db%d", db);
    metric_name(&s->m, metric, "");
    metric_label(&s->m, "db", slice_str(text));
}

void metrics_keyspace(struct scrape *s) {
    const struct keyspace *ks = &s->e->ks;

    metric_family(&s->m, "redis_db_keys", M_GAUGE, "Keys of a database.");
    for (int i = 0; i < ks->ndbs; i++) {
        if (!is_listed(s, i)) continue;
        begin_db(s, "redis_db_keys", i);
        metric_int(&s->m, (int64_t)ks->dbs[i].keys.count);
    }
    metric_family(&s->m, "redis_db_keys_expiring", M_GAUGE, "Keys that have a time to live.");
    for (int i = 0; i < ks->ndbs; i++) {
        if (!is_listed(s, i)) continue;
        begin_db(s, "redis_db_keys_expiring", i);
        metric_int(&s->m, (int64_t)ks->dbs[i].expires.count);
    }
    metric_family(&s->m, "redis_db_avg_ttl_seconds", M_GAUGE, "Mean of the times to live.");
    for (int i = 0; i < ks->ndbs; i++) {
        if (ks->dbs[i].keys.count == 0) continue;
        begin_db(s, "redis_db_avg_ttl_seconds", i);
        metric_double(&s->m, (double)expiry_avg_ttl(&ks->dbs[i].expires, clock_cached_ms()) / 1000);
    }
}

void metrics_slowlog(struct scrape *s) {
    const struct slowlog *l = &s->e->logs[LOG_SLOW];
    const struct slow_entry *newest =
        l->n ? list_entry(l->entries.prev, struct slow_entry, link) : NULL;

    metric_one(&s->m, "redis_slowlog_length", M_GAUGE, "Entries of the slow log.", (int64_t)l->n);
    metric_one(&s->m, "redis_slowlog_last_id", M_GAUGE, "Id of its newest entry.",
               newest ? (int64_t)newest->id : 0);
    metric_family(&s->m, "redis_last_slow_execution_duration_seconds", M_GAUGE,
                  "Time that the newest entry of the slow log took.");
    metric_name(&s->m, "redis_last_slow_execution_duration_seconds", "");
    metric_us(&s->m, newest ? newest->cost : 0);
}
