/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/host.h"

#include "storage/base/log.h"
#include "storage/base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/utsname.h>

#define THP "/sys/kernel/mm/transparent_hugepage/enabled"

#ifndef PR_THP_DISABLE_EXCEPT_ADVISED /* Linux 6.18 */
#define PR_THP_DISABLE_EXCEPT_ADVISED (1 << 1)
#endif

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
    if (!v->disable_thp && file_has(THP, "[always]"))
        log_warning("WARNING You have Transparent Huge Pages (THP) support enabled in your "
                    "kernel, and disable-thp is no: pages copied after a fork cost latency and "
                    "memory.");
    warn_of_backlog(v);
    if (v->maxmemory > 0 && v->maxmemory < 1024 * 1024)
        log_warning("WARNING: You specified a maxmemory value that is less than 1MB (%llu bytes): "
                    "is a unit missing?",
                    (unsigned long long)v->maxmemory);
}

/* Since Linux 5.8 a write to a huge page that is shared after a fork copies 4 KiB of it. */
static bool kernel_copies_small_pages(void) {
    struct utsname u;
    int major, minor;

    if (uname(&u) != 0 || sscanf(u.release, "%d.%d", &major, &minor) != 2) return false;
    return major > 5 || (major == 5 && minor >= 8);
}

void host_set_huge_pages(const struct conf_values *v) {
    bool asks = v->huge_pages && kernel_copies_small_pages();

    if (v->disable_thp && asks &&
        prctl(PR_SET_THP_DISABLE, 1, PR_THP_DISABLE_EXCEPT_ADVISED, 0, 0) == 0) {
        mem_use_huge_pages();
        return;
    }
    if (v->disable_thp && (!asks || file_has(THP, "[always]"))) {
        if (prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) < 0)
            log_warning("Cannot disable transparent huge pages: %s", strerror(errno));
        return;
    }
    if (asks) mem_use_huge_pages();
}
