/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/http/metrics.h"

#include "storage/base/clock.h"
#include "storage/base/mem.h"

#define TYPE_TEXT "text/plain; version=0.0.4; charset=utf-8"
#define TYPE_OPEN "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* Each has a section of INFO or a function. */
static const struct piece {
    const char *section;
    void (*write)(struct scrape *s);
} pieces[] = {
    {"server", NULL},
    {"clients", NULL},
    {"memory", NULL},
    {"persistence", NULL},
    {"stats", NULL},
    {"replication", NULL},
    {"cpu", NULL},
    {"cluster", NULL},
    {NULL, metrics_of_fields},
    {NULL, metrics_cluster},
    {NULL, metrics_latency_spikes},
    {NULL, metrics_errors},
    {NULL, metrics_keyspace},
    {NULL, metrics_slowlog},
    {NULL, metrics_command_counts},
    {NULL, metrics_command_times},
    {NULL, metrics_command_refusals},
    {NULL, metrics_percentiles},
    {NULL, metrics_latencies},
    {NULL, metrics_stet_server},
    {NULL, metrics_stet_aof},
    {NULL, metrics_stet_backup},
    {NULL, metrics_exporter},
};

enum { PIECES = sizeof pieces / sizeof *pieces };

static struct scrape *begin(struct http_conn *c) {
    struct scrape *s = mem_calloc(sizeof *s);

    s->h = c->h;
    s->e = c->h->e;
    s->m.openmetrics = c->request.openmetrics;
    return s;
}

void scrape_free(struct scrape *s) {
    if (!s) return;
    bytes_release(&s->m.text);
    bytes_release(&s->info);
    mem_free(s);
}

static void finish(struct http_conn *c) {
    struct scrape *s = c->scrape;

    metric_end(&s->m);
    http_answer(c, 200, s->m.openmetrics ? TYPE_OPEN : TYPE_TEXT, bytes_slice(&s->m.text));
    scrape_free(s);
    c->scrape = NULL;
}

bool metrics_answer(struct http_conn *c) {
    uint64_t began_ns = clock_real_ns();
    const struct piece *p;
    struct scrape *s;

    if (!c->scrape) c->scrape = begin(c);
    s = c->scrape;
    if (s->piece == PIECES) {
        finish(c);
        return true;
    }
    p = &pieces[s->piece++];
    if (p->section)
        metrics_section(s, p->section);
    else
        p->write(s);
    s->spent_ns += clock_real_ns() - began_ns;
    return false;
}
