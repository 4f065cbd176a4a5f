/* SPDX-License-Identifier: BSD-3-Clause
 *
 * info - the sections of INFO that consist of fields; each writes "name:value" lines.
 */
#ifndef STET_ADMIN_INFO_H
#define STET_ADMIN_INFO_H

#include "server/exec/slots.h"

/* The node whose client asks; false: the server has no nodes of its own. */
bool info_node(const struct engine *e, struct cluster_node_facts *node);

void info_server(struct engine *e, struct bytes *out);
void info_clients(struct engine *e, struct bytes *out);
void info_memory(struct engine *e, struct bytes *out);
void info_persistence(struct engine *e, struct bytes *out);
void info_stats(struct engine *e, struct bytes *out);
void info_replication(struct engine *e, struct bytes *out);
void info_cpu(struct engine *e, struct bytes *out);

/* What takes how much memory, in bytes. */
struct info_usage {
    size_t used, peak, rss, startup, clients, overhead, dataset, aof_buffer;
};

struct info_usage info_measure(struct engine *e);

/* The upper bound of the bucket below which `percent` of the times lie. */
uint64_t info_percentile_us(const struct aof_histogram *h, double percent);

#endif
