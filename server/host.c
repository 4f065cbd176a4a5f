/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/host.h"

#include "storage/base/log.h"

#include <stdio.h>
#include <string.h>

/* Whether the first line of the file has the words in it. */
static bool file_has(const char *path, const char *words) {
    char line[128] = "";
    FILE *f = fopen(path, "re");
    bool has;

    if (!f) return false;
    has = fgets(line, sizeof line, f) && strstr(line, words);
    fclose(f);
    return has;
}

/* The kernel cuts the queue of connections without a word. */
static void warn_of_backlog(const struct conf_values *v) {
    FILE *f = fopen("/proc/sys/net/core/somaxconn", "re");
    long long most;

    if (f && fscanf(f, "%lld", &most) == 1 && most < v->tcp_backlog)
        log_warning(
            "WARNING: tcp-backlog is %lld, but the kernel queues at most %lld connections. Raise "
            "it: sysctl net.core.somaxconn=%lld",
            (long long)v->tcp_backlog, most, (long long)v->tcp_backlog);
    if (f) fclose(f);
}

void host_warn(const struct conf_values *v) {
    if (!file_has("/proc/sys/vm/overcommit_memory", "1"))
        log_warning("WARNING Memory overcommit must be enabled! Otherwise a fork for a save or an "
                    "AOF rewrite may fail when memory is short: sysctl vm.overcommit_memory=1");
    if (!v->disable_thp && file_has("/sys/kernel/mm/transparent_hugepage/enabled", "[always]"))
        log_warning("WARNING You have Transparent Huge Pages (THP) support enabled in your "
                    "kernel, and disable-thp is no: pages copied after a fork cost latency and "
                    "memory.");
    warn_of_backlog(v);
    if (v->maxmemory > 0 && v->maxmemory < 1024 * 1024)
        log_warning("WARNING: You specified a maxmemory value that is less than 1MB (%llu bytes): "
                    "is a unit missing?",
                    (unsigned long long)v->maxmemory);
}
