/* SPDX-License-Identifier: BSD-3-Clause */
#include "cluster_help.h"

#include "conf/conf.h"
#include "server/commands/commands.h"

#include <criterion/criterion.h>

struct cluster *cluster;
unsigned listening;

static int port(void *arg, unsigned node, bool tls) {
    (void)arg;
    return tls ? 0 : 7000 + (int)node;
}

static int listen_on(void *arg, unsigned node, bool on, struct err *e) {
    (void)arg;
    (void)e;
    listening = on ? listening | 1u << node : listening & ~(1u << node);
    return 0;
}

static void more(struct command_registry *r) {
    command_registry_add(r, pubsub_commands);
    cluster_register(r);
}

static void begin(const char *text) {
    struct cluster_app app = {.port = port, .listen = listen_on};
    struct err e;

    exec_begin_with(more);
    cr_assert_eq(conf_load_text(engine.conf, slice_str(text), &e), 0, "%s", e.text);
    cluster = cluster_new(&engine, &app);
    listening = (1u << cluster->n) - 1;
}

void none_begin(void) {
    exec_begin_with(more);
}

void three_begin(void) {
    begin("cluster-emulate-nodes 3\ncluster-emulate-replicas 1\n");
}

void one_begin(void) {
    begin("cluster-enabled yes\n");
}

void cluster_end(void) {
    cluster_free(cluster);
    exec_end();
}

const char *say_to(unsigned node, const char *line) {
    one.node = (uint8_t)node;
    return say(line);
}
