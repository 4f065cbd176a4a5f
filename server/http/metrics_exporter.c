/* SPDX-License-Identifier: BSD-3-Clause
 *
 * metrics_exporter - what redis_exporter says of the configuration and of itself; here the two
 * are one process.
 */
#include "conf/conf.h"
#include "server/http/metrics.h"
#include "storage/base/clock.h"

static void configuration(struct scrape *s) {
    const struct conf_values *v = s->e->v;

    metric_one(&s->m, "redis_config_maxclients", M_GAUGE, "The parameter maxclients.",
               v->maxclients);
    metric_one(&s->m, "redis_config_maxmemory", M_GAUGE, "The parameter maxmemory in bytes.",
               (int64_t)v->maxmemory);
    metric_one(&s->m, "redis_config_io_threads", M_GAUGE, "The parameter io-threads.",
               v->io_threads);
}

static void build(struct scrape *s) {
    metric_family(&s->m, "redis_exporter_build_info", M_GAUGE, "What exports these metrics.");
    metric_name(&s->m, "redis_exporter_build_info", "");
    metric_label(&s->m, "build_date", SLICE(""));
    metric_label(&s->m, "commit_sha", metrics_field(s, "redis_git_sha1"));
    metric_label(&s->m, "golang_version", SLICE(""));
    metric_label(&s->m, "version", metrics_field(s, "stet_version"));
    metric_int(&s->m, 1);
}

/* Of this scrape as far as it has come. */
static void scrapes(struct scrape *s) {
    struct http *h = s->h;

    h->scrapes++;
    h->scraping_us += s->spent_ns / 1000;
    metric_one(&s->m, "redis_exporter_scrapes_total", M_COUNTER, "Scrapes.", (int64_t)h->scrapes);
    metric_family(&s->m, "redis_exporter_scrape_duration_seconds", M_SUMMARY,
                  "Time of the event loop that scrapes took.");
    metric_name(&s->m, "redis_exporter_scrape_duration_seconds", "_sum");
    metric_us(&s->m, h->scraping_us);
    metric_name(&s->m, "redis_exporter_scrape_duration_seconds", "_count");
    metric_int(&s->m, (int64_t)h->scrapes);
    metric_family(&s->m, "redis_exporter_last_scrape_duration_seconds", M_GAUGE,
                  "Time of the event loop that this scrape took.");
    metric_name(&s->m, "redis_exporter_last_scrape_duration_seconds", "");
    metric_us(&s->m, s->spent_ns / 1000);
}

/* There is nothing between the exporter and the server that could fail. */
static void errors(struct scrape *s) {
    metric_family(&s->m, "redis_exporter_last_scrape_error", M_GAUGE, "Always 0.");
    metric_name(&s->m, "redis_exporter_last_scrape_error", "");
    metric_label(&s->m, "err", SLICE(""));
    metric_int(&s->m, 0);
    metric_one(&s->m, "redis_exporter_last_scrape_connect_time_seconds", M_GAUGE, "Always 0.", 0);
    metric_one(&s->m, "redis_target_scrape_request_errors_total", M_COUNTER, "Always 0.", 0);
    metric_one(&s->m, "redis_last_key_groups_scrape_duration_milliseconds", M_GAUGE, "Always 0.",
               0);
    metric_one(&s->m, "redis_up", M_GAUGE, "Always 1: the server answers for itself.", 1);
}

void metrics_exporter(struct scrape *s) {
    metric_one(&s->m, "redis_start_time_seconds", M_GAUGE, "When the server was started.",
               s->e->started_ms / 1000);
    configuration(s);
    build(s);
    scrapes(s);
    errors(s);
}
