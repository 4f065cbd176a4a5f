/* SPDX-License-Identifier: BSD-3-Clause
 *
 * metrics - /metrics: what redis_exporter exports of a server, under the same names, types and
 * labels, and stet_* beside them.
 *
 * A scrape is a list of pieces, each well below a millisecond; http_serve() calls for one after
 * another, over several turns if need be. What stands in one family was read at one moment.
 */
#ifndef STET_HTTP_METRICS_H
#define STET_HTTP_METRICS_H

#include "server/exec/observe.h"
#include "server/http/http_impl.h"
#include "server/http/metrics_text.h"

struct scrape {
    struct http *h;
    struct engine *e;
    struct metrics m;
    struct bytes info;                              /* the sections of INFO that were read so far */
    size_t piece;                                   /* the next one */
    uint64_t spent_ns;                              /* of the loop's time */
    double percent;                                 /* of the percentile that is written */
    char bounds[OBSERVE_OCTAVES][METRIC_BOUND_MAX]; /* labels that come again and again */
};

bool metrics_answer(struct http_conn *c);
void scrape_free(struct scrape *s);

/* ---- metrics_info.c */

/* The families that are fields of this section of INFO. */
void metrics_section(struct scrape *s, const char *section);

/* Those that need several fields; after the sections. */
void metrics_of_fields(struct scrape *s);

/* A field of the sections read so far; {NULL, 0}: there is none. */
struct slice metrics_field(const struct scrape *s, const char *name);

/* ---- metrics_commands.c */
void metrics_command_counts(struct scrape *s);
void metrics_command_times(struct scrape *s);
void metrics_command_refusals(struct scrape *s);
void metrics_percentiles(struct scrape *s);
void metrics_latencies(struct scrape *s);
void metrics_keyspace(struct scrape *s);
void metrics_errors(struct scrape *s);
void metrics_slowlog(struct scrape *s);

/* ---- metrics_asked.c */
void metrics_cluster(struct scrape *s);
void metrics_latency_spikes(struct scrape *s);

/* ---- metrics_stet.c */
void metrics_stet_server(struct scrape *s);
void metrics_stet_aof(struct scrape *s);
void metrics_stet_backup(struct scrape *s);

/* ---- metrics_exporter.c */
void metrics_exporter(struct scrape *s);

#endif
