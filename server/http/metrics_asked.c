/* SPDX-License-Identifier: BSD-3-Clause
 *
 * metrics_asked - what redis_exporter asks for by other commands than INFO: CLUSTER INFO and
 * LATENCY LATEST.
 */
#include "server/exec/latency.h"
#include "server/http/metrics.h"

#include <stdlib.h>

/* In the order of names. The exporter gives all of them as gauges. */
static const struct {
    const char *field, *metric, *help;
} cluster_rows[] = {
    {"cluster_current_epoch", "redis_cluster_current_epoch", "The cluster's epoch."},
    {"cluster_known_nodes", "redis_cluster_known_nodes", "Nodes."},
    {"cluster_stats_messages_received", "redis_cluster_messages_received_total",
     "Messages on the cluster bus; there is none."},
    {"cluster_stats_messages_sent", "redis_cluster_messages_sent_total",
     "Messages on the cluster bus; there is none."},
    {"cluster_my_epoch", "redis_cluster_my_epoch", "The epoch of this node's shard."},
    {"cluster_size", "redis_cluster_size", "Masters with slots."},
    {"cluster_slots_assigned", "redis_cluster_slots_assigned", "Slots with an owner."},
    {"cluster_slots_fail", "redis_cluster_slots_fail", "Slots whose owner has failed."},
    {"cluster_slots_ok", "redis_cluster_slots_ok", "Slots whose owner serves them."},
    {"cluster_slots_pfail", "redis_cluster_slots_pfail", "Slots whose owner may have failed."},
};

void metrics_cluster(struct scrape *s) {
    bool is_up;

    if (!s->e->cluster) return;
    s->h->app.cluster_info(s->h->app.arg, &s->info);
    for (size_t i = 0; i < sizeof cluster_rows / sizeof *cluster_rows; i++) {
        struct slice value = metrics_field(s, cluster_rows[i].field);

        if (value.n)
            metric_one(&s->m, cluster_rows[i].metric, M_GAUGE, cluster_rows[i].help,
                       strtoll(value.p, NULL, 10));
    }
    is_up = slice_eq(metrics_field(s, "cluster_state"), SLICE("ok"));
    metric_one(&s->m, "redis_cluster_state", M_GAUGE, "1: all slots are served.", is_up);
}

void metrics_latency_spikes(struct scrape *s) {
    const struct latency *l = s->e->latency;

    if (l->n == 0) return;
    metric_family(&s->m, "redis_latency_spike_duration_seconds", M_GAUGE,
                  "How long the last event of a kind took (LATENCY LATEST).");
    for (size_t i = 0; i < l->n; i++) {
        metric_name(&s->m, "redis_latency_spike_duration_seconds", "");
        metric_label(&s->m, "event_name", slice_str(l->events[i]->name));
        metric_us(&s->m, latency_at(l->events[i], l->events[i]->n - 1).ms * UINT64_C(1000));
    }
    metric_family(&s->m, "redis_latency_spike_last", M_GAUGE,
                  "When the last event of a kind was, as a unix time.");
    for (size_t i = 0; i < l->n; i++) {
        metric_name(&s->m, "redis_latency_spike_last", "");
        metric_label(&s->m, "event_name", slice_str(l->events[i]->name));
        metric_int(&s->m, latency_at(l->events[i], l->events[i]->n - 1).at_s);
    }
}
