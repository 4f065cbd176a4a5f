/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/start_log.h"

#include "server/app.h"
#include "storage/base/bytes.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"

static void add_ports(struct bytes *out, const struct conf_bind *to, const char *kind, int port) {
    if (port == 0) return;
    for (size_t i = 0; i < to->n; i++) {
        const char *addr = to->addr[i];

        if (addr[0] == '-') addr++;
        bytes_printf(out, "%s%s %s port %d", out->n ? ", " : "", kind, addr, port);
    }
}

static const char *policy(const struct conf_values *v) {
    if (!v->appendonly) return "AOF off (a crash loses what no snapshot has)";
    if (v->appendfsync == CONF_FSYNC_ALWAYS) return "AOF on, appendfsync always";
    return v->appendfsync == CONF_FSYNC_NO ? "AOF on, appendfsync no"
                                           : "AOF on, appendfsync everysec";
}

void start_log_tell(const struct app *a) {
    const struct conf_values *v = a->v;
    struct bytes where = {0};

    add_ports(&where, &v->bind, "tcp", a->net.port);
    add_ports(&where, &v->bind, "tls", a->net.tls_port);
    add_ports(&where, &v->http_bind, v->http_tls ? "https" : "http", http_port(a->http));
    if (v->unixsocket && v->unixsocket[0])
        bytes_printf(&where, "%sunix socket '%s'", where.n ? ", " : "", v->unixsocket);
    log_notice("Configured to listen on: %s.", bytes_cstr(&where));
    log_notice("Durability: %s. Memory in use: %zu bytes. Data in '%s'.", policy(v), mem_used(),
               v->dir.path);
    if (v->maxmemory > 0 && mem_used() > v->maxmemory)
        log_warning(
            "WARNING: maxmemory (%llu bytes) is below the memory in use (%zu bytes): keys are "
            "evicted or writes refused, as maxmemory-policy says. Raise maxmemory.",
            (unsigned long long)v->maxmemory, mem_used());
    bytes_release(&where);
}
