/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/cluster/tell.h"

#include "conf/conf.h"

typedef unsigned long long ull;

/* ---------------------------------------------------------------- addresses */

static bool is_set(const char *s) {
    return s && s[0];
}

/* What clients of IPv4 or of IPv6 are told, if they are told something of their own. */
static const char *client_ip(const struct cluster *c, const struct session *s) {
    const struct conf_values *v = c->e->v;
    struct session_wire wire = {.laddr = ""};

    if (!v->cluster_announce_client_ipv4 && !v->cluster_announce_client_ipv6) return NULL;
    if (s->flags & SESSION_UNIX || !s->ops->describe) return NULL;
    s->ops->describe(s, &wire);
    return wire.laddr[0] == '[' ? v->cluster_announce_client_ipv6 : v->cluster_announce_client_ipv4;
}

void tell_ip(const struct cluster *c, const struct session *s, char ip[TELL_HOST_CHARS]) {
    struct session_wire wire = {.laddr = ""};
    const char *from = wire.laddr, *own = client_ip(c, s);
    char *end;

    if (own) {
        snprintf(ip, TELL_HOST_CHARS, "%s", own);
        return;
    }
    if (is_set(c->e->v->cluster_announce_ip)) {
        snprintf(ip, TELL_HOST_CHARS, "%s", c->e->v->cluster_announce_ip);
        return;
    }
    snprintf(ip, TELL_HOST_CHARS, "127.0.0.1");
    if (s->flags & SESSION_UNIX || !s->ops->describe) return;
    s->ops->describe(s, &wire);
    end = strrchr(wire.laddr, ':');
    if (!end || *from == '?') return;
    *end = '\0';
    if (*from == '[') {
        from++;
        end[-1] = '\0';
    }
    snprintf(ip, TELL_HOST_CHARS, "%s", from);
}

void tell_endpoint(const struct cluster *c, const struct session *s, char host[TELL_HOST_CHARS]) {
    const char *name = c->e->v->cluster_announce_hostname;

    switch (c->e->v->cluster_preferred_endpoint_type) {
    case CONF_ENDPOINT_HOSTNAME:
        snprintf(host, TELL_HOST_CHARS, "%s", is_set(name) ? name : "?");
        return;
    case CONF_ENDPOINT_UNKNOWN: host[0] = '\0'; return;
    default: tell_ip(c, s, host);
    }
}

static int own_port(const struct cluster *c, unsigned node, bool tls) {
    const struct conf_values *v = c->e->v;
    int64_t announced = tls ? v->cluster_announce_tls_port : v->cluster_announce_port;

    if (announced) return (int)announced + (int)node;
    return c->app.port ? c->app.port(c->app.arg, node, tls) : 0;
}

static int any_port(const struct cluster *c, unsigned node, bool tls) {
    int port = own_port(c, node, tls);

    return port ? port : own_port(c, node, !tls);
}

int tell_port(const struct cluster *c, unsigned node, bool tls) {
    const struct conf_values *v = c->e->v;
    int64_t told = tls ? v->cluster_announce_client_tls_port : v->cluster_announce_client_port;

    return told ? (int)told + (int)node : any_port(c, node, tls);
}

int tell_bus_port(const struct cluster *c, unsigned node) {
    const struct conf_values *v = c->e->v;
    int port = any_port(c, node, false);

    if (v->cluster_announce_bus_port) return (int)v->cluster_announce_bus_port + (int)node;
    if (v->cluster_port) return (int)v->cluster_port + (int)node;
    return port + 10000 > 65535 ? port - 10000 : port + 10000;
}

/* ---------------------------------------------------------------- ranges */

/* The first range of slots of the same owner from *slot on; false: none is left. */
static bool next_range(const struct slots *s, unsigned *slot, unsigned *first, unsigned *last) {
    if (*slot >= SLOTS) return false;
    *first = *slot;
    while (*slot < SLOTS && s->owner[*slot] == s->owner[*first]) ++*slot;
    *last = *slot - 1;
    return true;
}

void tell_ranges(const struct cluster *c, unsigned node, struct bytes *out) {
    unsigned slot = 0, first, last;

    while (next_range(&c->slots, &slot, &first, &last)) {
        if (c->slots.owner[first] != node) continue;
        bytes_printf(out, " %u", first);
        if (last != first) bytes_printf(out, "-%u", last);
    }
}

static unsigned count_ranges(const struct cluster *c, unsigned node) {
    unsigned slot = 0, first, last, n = 0;

    while (next_range(&c->slots, &slot, &first, &last)) n += c->slots.owner[first] == node;
    return n;
}

/* ---------------------------------------------------------------- CLUSTER NODES */

/* A node tells of its own moves only. */
static void tell_moves(const struct cluster *c, unsigned me, struct bytes *out) {
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        unsigned to = c->slots.to[slot];

        if (to != NO_NODE && c->slots.owner[slot] == me)
            bytes_printf(out, " [%u->-%s]", slot, c->nodes[to].id);
        if (slot_is_importing(c, slot, me))
            bytes_printf(out, " [%u-<-%s]", slot, c->nodes[c->nodes[me].from[slot]].id);
    }
}

void tell_node(const struct cluster *c, const struct session *s, unsigned node, struct bytes *out) {
    const struct node *n = &c->nodes[node], *master = &c->nodes[node_shard(c, node)];
    const char *name = c->e->v->cluster_announce_hostname;
    bool me = node == s->node;
    char ip[TELL_HOST_CHARS];

    tell_ip(c, s, ip);
    bytes_printf(out, "%s %s:%d@%d", n->id, ip, tell_port(c, node, s->flags & SESSION_TLS),
                 tell_bus_port(c, node));
    if (is_set(name)) bytes_printf(out, ",%s", name);
    bytes_printf(out, " %s%s%s %s 0 %lld %llu %s", me ? "myself," : "",
                 n == master ? "master" : "slave", n->failed ? ",fail" : "",
                 n == master ? "-" : master->id,
                 me ? 0LL : (long long)(n->failed ? n->failed_ms : clock_cached_ms()),
                 (ull)master->epoch, n->failed && !me ? "disconnected" : "connected");
    tell_ranges(c, node, out);
    if (me) tell_moves(c, node, out);
    bytes_append_char(out, '\n');
}

void tell_nodes(const struct cluster *c, const struct session *s, struct bytes *out) {
    tell_node(c, s, s->node, out);
    for (unsigned i = 0; i < c->n; i++)
        if (i != s->node) tell_node(c, s, i, out);
}

/* ---------------------------------------------------------------- CLUSTER INFO */

void cluster_info(const struct cluster *c, unsigned node, struct bytes *out) {
    struct cluster_health h = state_health(c);

    bytes_printf(out,
                 "cluster_state:%s\r\ncluster_slots_assigned:%u\r\ncluster_slots_ok:%u\r\n"
                 "cluster_slots_pfail:0\r\ncluster_slots_fail:%u\r\ncluster_known_nodes:%u\r\n"
                 "cluster_size:%u\r\ncluster_current_epoch:%llu\r\ncluster_my_epoch:%llu\r\n"
                 "cluster_stats_messages_sent:0\r\ncluster_stats_messages_received:0\r\n"
                 "total_cluster_links_buffer_limit_exceeded:0\r\n",
                 h.up ? "ok" : "fail", c->slots.nowned, h.ok, h.failed, c->n, h.size, (ull)c->epoch,
                 (ull)c->nodes[node_shard(c, node)].epoch);
}

int tell_cmd_info(struct call *x) {
    struct bytes b = {0};

    cluster_info(cluster_of(x), x->s->node, &b);
    reply_verbatim(&x->r, "txt", b.p, b.n);
    bytes_release(&b);
    return 0;
}

/* ---------------------------------------------------------------- CLUSTER SLOTS */

static void reply_pair(struct reply *r, const char *name, const char *value) {
    reply_bulk_str(r, name);
    reply_bulk_str(r, value);
}

/* What the endpoint does not say already. */
static void reply_other_names(struct call *x, const char *ip) {
    const struct conf_values *v = x->e->v;
    bool has_name = is_set(v->cluster_announce_hostname);
    bool tells_ip = v->cluster_preferred_endpoint_type != CONF_ENDPOINT_IP;
    bool tells_name = has_name && v->cluster_preferred_endpoint_type != CONF_ENDPOINT_HOSTNAME;

    reply_map(&x->r, (size_t)tells_ip + tells_name);
    if (tells_ip) reply_pair(&x->r, "ip", ip);
    if (tells_name) reply_pair(&x->r, "hostname", v->cluster_announce_hostname);
}

static void reply_endpoint(struct call *x) {
    char host[TELL_HOST_CHARS];

    if (x->e->v->cluster_preferred_endpoint_type == CONF_ENDPOINT_UNKNOWN) {
        reply_null(&x->r);
        return;
    }
    tell_endpoint(cluster_of(x), x->s, host);
    reply_bulk_str(&x->r, host);
}

static void reply_slots_node(struct call *x, unsigned node) {
    const struct cluster *c = cluster_of(x);
    char ip[TELL_HOST_CHARS];

    tell_ip(c, x->s, ip);
    reply_array(&x->r, 4);
    reply_endpoint(x);
    reply_int(&x->r, tell_port(c, node, x->s->flags & SESSION_TLS));
    reply_bulk_str(&x->r, c->nodes[node].id);
    reply_other_names(x, ip);
}

static bool is_serving_replica(const struct cluster *c, unsigned node, unsigned master) {
    return c->nodes[node].master == master && !c->nodes[node].failed;
}

static void reply_range(struct call *x, unsigned first, unsigned last) {
    const struct cluster *c = cluster_of(x);
    unsigned owner = c->slots.owner[first], n = 0;

    for (unsigned i = 0; i < c->n; i++) n += is_serving_replica(c, i, owner);
    reply_array(&x->r, 3 + n);
    reply_int(&x->r, first);
    reply_int(&x->r, last);
    reply_slots_node(x, owner);
    for (unsigned i = 0; i < c->n; i++)
        if (is_serving_replica(c, i, owner)) reply_slots_node(x, i);
}

int tell_cmd_slots(struct call *x) {
    const struct cluster *c = cluster_of(x);
    unsigned slot = 0, first, last, n = 0;

    while (next_range(&c->slots, &slot, &first, &last)) n += c->slots.owner[first] != NO_NODE;
    reply_array(&x->r, n);
    for (slot = 0; next_range(&c->slots, &slot, &first, &last);)
        if (c->slots.owner[first] != NO_NODE) reply_range(x, first, last);
    return 0;
}

/* ---------------------------------------------------------------- CLUSTER SHARDS */

static void reply_ports(struct call *x, unsigned node) {
    const struct cluster *c = cluster_of(x);
    int port = own_port(c, node, false), tls = own_port(c, node, true);

    if (port) {
        reply_bulk_str(&x->r, "port");
        reply_int(&x->r, port);
    }
    if (tls) {
        reply_bulk_str(&x->r, "tls-port");
        reply_int(&x->r, tls);
    }
}

static void reply_shard_node(struct call *x, unsigned node) {
    const struct cluster *c = cluster_of(x);
    const struct node *n = &c->nodes[node];
    const char *name = x->e->v->cluster_announce_hostname;
    const uint64_t *offset = x->e->propagation.stream_offset;
    bool has_port = own_port(c, node, false), has_tls = own_port(c, node, true);
    char ip[TELL_HOST_CHARS], endpoint[TELL_HOST_CHARS];

    tell_ip(c, x->s, ip);
    tell_endpoint(c, x->s, endpoint);
    reply_map(&x->r, 6 + (size_t)has_port + has_tls + is_set(name));
    reply_pair(&x->r, "id", n->id);
    reply_ports(x, node);
    reply_pair(&x->r, "ip", ip);
    reply_pair(&x->r, "endpoint", endpoint);
    if (is_set(name)) reply_pair(&x->r, "hostname", name);
    reply_pair(&x->r, "role", node_is_master(c, node) ? "master" : "replica");
    reply_bulk_str(&x->r, "replication-offset");
    reply_int(&x->r, offset ? (int64_t)*offset : 0);
    reply_pair(&x->r, "health", n->failed ? "fail" : "online");
}

static void reply_shard(struct call *x, unsigned master) {
    const struct cluster *c = cluster_of(x);
    unsigned slot = 0, first, last, n = 0;

    for (unsigned i = 0; i < c->n; i++) n += node_shard(c, i) == master;
    reply_map(&x->r, 2);
    reply_bulk_str(&x->r, "slots");
    reply_array(&x->r, 2 * (size_t)count_ranges(c, master));
    while (next_range(&c->slots, &slot, &first, &last)) {
        if (c->slots.owner[first] != master) continue;
        reply_int(&x->r, first);
        reply_int(&x->r, last);
    }
    reply_bulk_str(&x->r, "nodes");
    reply_array(&x->r, n);
    for (unsigned i = 0; i < c->n; i++)
        if (node_shard(c, i) == master) reply_shard_node(x, i);
}

int tell_cmd_shards(struct call *x) {
    const struct cluster *c = cluster_of(x);
    unsigned n = 0;

    for (unsigned i = 0; i < c->n; i++) n += node_is_master(c, i);
    reply_array(&x->r, n);
    for (unsigned i = 0; i < c->n; i++)
        if (node_is_master(c, i)) reply_shard(x, i);
    return 0;
}

/* ---------------------------------------------------------------- CLUSTER LINKS */

static void reply_link(struct call *x, const char *direction, const char *id) {
    reply_map(&x->r, 6);
    reply_pair(&x->r, "direction", direction);
    reply_pair(&x->r, "node", id);
    reply_bulk_str(&x->r, "create-time");
    reply_int(&x->r, x->e->started_ms);
    reply_pair(&x->r, "events", "r");
    reply_bulk_str(&x->r, "send-buffer-allocated");
    reply_int(&x->r, 0);
    reply_bulk_str(&x->r, "send-buffer-used");
    reply_int(&x->r, 0);
}

/* Nodes of one process need no links. Those are told that nodes of Redis would have: two to each
 * other node that answers. */
int tell_cmd_links(struct call *x) {
    const struct cluster *c = cluster_of(x);
    unsigned n = 0;

    for (unsigned i = 0; i < c->n; i++) n += i != x->s->node && !c->nodes[i].failed;
    reply_array(&x->r, 2 * (size_t)n);
    for (unsigned i = 0; i < c->n; i++) {
        if (i == x->s->node || c->nodes[i].failed) continue;
        reply_link(x, "to", c->nodes[i].id);
        reply_link(x, "from", c->nodes[i].id);
    }
    return 0;
}
