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

void host_warn(const struct conf_values *v) {
    if (!file_has("/proc/sys/vm/overcommit_memory", "1"))
        log_warning("WARNING Memory overcommit must be enabled! Otherwise a fork for a save or an "
                    "AOF rewrite may fail when memory is short: sysctl vm.overcommit_memory=1");
    if (!v->disable_thp && file_has("/sys/kernel/mm/transparent_hugepage/enabled", "[always]"))
        log_warning("WARNING You have Transparent Huge Pages (THP) support enabled in your "
                    "kernel, and disable-thp is no: pages copied after a fork cost latency and "
                    "memory.");
    if (v->maxmemory > 0 && v->maxmemory < 1024 * 1024)
        log_warning("WARNING: You specified a maxmemory value that is less than 1MB (%llu bytes): "
                    "is a unit missing?",
                    (unsigned long long)v->maxmemory);
}
