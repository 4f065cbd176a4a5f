/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/cluster/cluster.h"

#include "conf/conf.h"
#include "server/cluster/change.h"
#include "server/cluster/file.h"
#include "server/cluster/guard.h"
#include "server/cluster/tell.h"
#include "server/cluster/test.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"
#include "storage/base/rng.h"

#include <errno.h>

/* ---------------------------------------------------------------- what other parts ask */

static bool has_key(void *arg, const struct session *s, struct slice key) {
    const struct cluster *c = arg;

    return key_home(c, slot_of(key), key) == node_shard(c, s->node);
}

static void facts(void *arg, const struct session *s, struct cluster_node_facts *out) {
    const struct cluster *c = arg;
    unsigned shard = node_shard(c, s->node);
    bool tls = s->flags & SESSION_TLS;

    *out = (struct cluster_node_facts){.port = tell_port(c, s->node, false),
                                       .is_replica = !node_is_master(c, s->node),
                                       .link_up = !c->nodes[shard].failed,
                                       .master_port = tell_port(c, shard, tls)};
    tell_ip(c, s, out->host);
    for (unsigned i = 0; i < c->n; i++)
        if (c->nodes[i].master == s->node && !c->nodes[i].failed)
            out->replica_port[out->nreplicas++] = tell_port(c, i, tls);
}

/* By the port alone: all nodes have the addresses of this process. */
static bool is_node(void *arg, struct slice host, struct slice port) {
    const struct cluster *c = arg;
    int64_t number;

    if (!num_parse_i64(port.p, port.n, &number) || number <= 0) return false;
    for (unsigned i = 0; i < c->n; i++)
        if (tell_port(c, i, false) == number || tell_port(c, i, true) == number) return host.n > 0;
    return false;
}

static void moved(void *arg, struct slice key) {
    key_moves(arg, key);
}

static void reset(void *arg) {
    const struct cluster *c = arg;

    if (c->emulated) change_reset(arg);
}

static unsigned range_end(void *arg, const struct session *s, unsigned slot) {
    const struct cluster *c = arg;
    unsigned shard = node_shard(c, s->node);

    while (slot + 1 < SLOTS && c->slots.owner[slot] == shard && c->slots.owner[slot + 1] == shard)
        slot++;
    return slot;
}

static void fill_seam(struct cluster *c) {
    c->seam = (struct cluster_seam){.arg = c,
                                    .script_refusal = guard_script_refusal,
                                    .facts = facts,
                                    .range_end = range_end,
                                    .walk = (uint32_t)rng_below(UINT32_MAX),
                                    .test = test_cluster_word};
    c->seam.reset = reset;
    if (!c->emulated) return;
    c->seam.has = has_key;
    c->seam.is_node = is_node;
    c->seam.moved = moved;
}

/* ---------------------------------------------------------------- life */

unsigned cluster_count_nodes(const struct conf_values *v) {
    return v->cluster_emulate_nodes > 0
               ? (unsigned)(v->cluster_emulate_nodes * (1 + v->cluster_emulate_replicas))
               : 1;
}

struct cluster *cluster_new(struct engine *e, const struct cluster_app *app) {
    struct cluster *c = mem_calloc(sizeof *c);
    struct guard g = {.refusal = guard_refusal, .arg = c, .plain = true};
    unsigned masters = e->v->cluster_emulate_nodes ? (unsigned)e->v->cluster_emulate_nodes : 1;

    c->e = e;
    c->app = *app;
    c->emulated = e->v->cluster_emulate_nodes > 0;
    state_layout(c, masters, c->emulated ? (unsigned)e->v->cluster_emulate_replicas : 0);
    fill_seam(c);
    e->cluster = &c->seam;
    guard_add(e, &g);
    return c;
}

bool cluster_has_slots(const struct cluster *c) {
    return c->slots.nowned > 0;
}

void cluster_free(struct cluster *c) {
    if (!c) return;
    c->e->cluster = NULL;
    state_release(c);
    mem_free(c);
}

int cluster_start(struct cluster *c, struct err *e) {
    struct err why;

    if (c->emulated) {
        log_notice("Cluster: %u emulated nodes, the first is %s.", c->n, c->nodes[0].id);
        return 0;
    }
    if (file_load(c, e) < 0) return -1;
    if (file_save_now(c, &why) < 0)
        return err_set(e, why.code, "Cannot write the cluster configuration file '%s': %s",
                       c->e->v->cluster_config_file, why.text);
    log_notice("Cluster: this node is %s.", c->nodes[0].id);
    return 0;
}

static void adopt(void *entry, void *arg) {
    struct cluster *c = arg;
    unsigned slot = slot_of(entry_key(entry));

    if (c->slots.owner[slot] != NO_NODE) return;
    log_notice("Cluster: slot %u has keys and no owner, this node takes it.", slot);
    slot_give(c, slot, 0);
}

int cluster_check_data(struct cluster *c, struct err *e) {
    const struct keyspace *ks = &c->e->ks;

    for (int i = 1; i < ks->ndbs; i++)
        if (ks->dbs[i].keys.count > 0)
            return err_set(e, EINVAL,
                           "You can't have keys in a DB different than DB 0 when in Cluster mode. "
                           "Exiting.");
    if (c->slots.nowned == SLOTS) return 0;
    table_each(&ks->dbs[0].keys, adopt, c);
    file_save(c);
    return 0;
}
