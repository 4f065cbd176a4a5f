/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/effects.h"

#include "storage/base/log.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum effect { EFFECT_WORKS, EFFECT_OTHER, EFFECT_NONE, EFFECT_UNKNOWN, EFFECT_REFUSED, EFFECTS };

struct difference {
    const char *name;
    const char *inert; /* the value with which Redis does the same as this server; NULL: none */
    enum effect effect;
    const char *why;
};

#define NO_DEFRAG  "memory is not defragmented"
#define NO_BUS     "there is no cluster bus"
#define NO_MODULES "there is no module interface"

static const struct difference differences[] = {
    {"activedefrag", "no", EFFECT_NONE, NO_DEFRAG},
    {"active-defrag-ignore-bytes", NULL, EFFECT_NONE, NO_DEFRAG},
    {"active-defrag-threshold-lower", NULL, EFFECT_NONE, NO_DEFRAG},
    {"active-defrag-threshold-upper", NULL, EFFECT_NONE, NO_DEFRAG},
    {"active-defrag-cycle-min", NULL, EFFECT_NONE, NO_DEFRAG},
    {"active-defrag-cycle-max", NULL, EFFECT_NONE, NO_DEFRAG},
    {"active-defrag-max-scan-fields", NULL, EFFECT_NONE, NO_DEFRAG},
    {"active-defrag-cycle-us", NULL, EFFECT_NONE, NO_DEFRAG},
    {"active-expire-effort", "1", EFFECT_NONE, "keys are kept in the order of their times"},
    {"activerehashing", NULL, EFFECT_NONE, "tables move entries a little whenever they are used"},
    {"cluster-allow-replica-migration", NULL, EFFECT_NONE, NO_BUS},
    {"cluster-announce-human-nodename", "", EFFECT_NONE, NO_BUS},
    {"cluster-announce-bus-port", "0", EFFECT_OTHER, "told to clients only: " NO_BUS},
    {"cluster-blacklist-ttl", NULL, EFFECT_NONE, NO_BUS},
    {"cluster-compatibility-sample-ratio", "0", EFFECT_NONE, "accepted and kept"},
    {"cluster-config-save-behavior", "sync", EFFECT_NONE,
     "a file that cannot be written ends nothing"},
    {"cluster-databases", "1", EFFECT_NONE, "a cluster has database 0 only"},
    {"cluster-enabled", "no", EFFECT_OTHER,
     "a cluster of one node with all slots; other servers cannot join"},
    {"cluster-link-sendbuf-limit", NULL, EFFECT_NONE, NO_BUS},
    {"cluster-manual-failover-timeout", NULL, EFFECT_NONE, NO_BUS},
    {"cluster-migration-barrier", NULL, EFFECT_NONE, NO_BUS},
    {"cluster-node-timeout", NULL, EFFECT_NONE, NO_BUS},
    {"cluster-port", "0", EFFECT_OTHER, "told to clients only: " NO_BUS},
    {"cluster-replica-validity-factor", NULL, EFFECT_NONE, NO_BUS},
    {"cluster-slot-stats-enabled", "no", EFFECT_NONE, "slots have no figures of their own"},
    {"crash-memcheck-enabled", "no", EFFECT_NONE, "the memory is not tested after a crash"},
    {"dual-channel-replication-enabled", "no", EFFECT_NONE, "a full sync has one connection"},
    {"dynamic-hz", "no", EFFECT_NONE, "hz is the same for any number of clients"},
    {"enable-module-command", "no", EFFECT_NONE, NO_MODULES},
    {"extended-redis-compatibility", "no", EFFECT_NONE, "names are those of Redis in any case"},
    {"hide-user-data-from-log", NULL, EFFECT_NONE, "accepted and kept"},
    {"ignore-warnings", "", EFFECT_NONE, "no warning stops a start"},
    {"io-threads-do-reads", "yes", EFFECT_OTHER, "the threads of io-threads read in any case"},
    {"jemalloc-bg-thread", "no", EFFECT_NONE, "the allocator has no thread of its own"},
    {"list-max-ziplist-entries", NULL, EFFECT_NONE, "obsolete: see list-max-listpack-size"},
    {"list-max-ziplist-value", NULL, EFFECT_NONE, "obsolete: see list-max-listpack-size"},
    {"loading-process-events-interval-bytes", NULL, EFFECT_NONE, "clients are served by time"},
    {"no-appendfsync-on-rewrite", "no", EFFECT_OTHER,
     "concerns everysec and no; with 'appendfsync always' every write is synced all the same"},
    {"prefetch-batch-max-size", NULL, EFFECT_NONE,
     "32 commands of a pipeline are prefetched at once"},
    {"rdb-del-sync-files", "no", EFFECT_NONE, "accepted and kept"},
    {"rdb-version-check", "strict", EFFECT_NONE,
     "files of versions that are not known are refused"},
    {"repl-diskless-sync-delay", NULL, EFFECT_NONE,
     "a replica that comes while a snapshot is written shares it"},
    {"repl-diskless-sync-max-replicas", "0", EFFECT_NONE,
     "a replica that comes while a snapshot is written shares it"},
    {"replica-full-sync-buffer-limit", "0", EFFECT_NONE, "a full sync has one connection"},
    {"replica-lazy-flush", "yes", EFFECT_OTHER,
     "the old data set is always freed on another thread"},
    {"sanitize-dump-payload", "yes", EFFECT_OTHER, "values from outside are always examined"},
    {"slot-migration-max-failover-repl-bytes", NULL, EFFECT_NONE, NO_BUS},
    {"tls-cluster", "no", EFFECT_NONE, NO_BUS},
};

static bool is_inert(const struct conf *conf, const struct difference *d) {
    struct bytes value = {0};
    bool same;

    if (!d->inert) return false;
    conf_show(conf, d->name, &value);
    same = strcmp(bytes_cstr(&value), d->inert) == 0;
    bytes_release(&value);
    return same;
}

/* Lines of old versions are no parameters. */
static bool is_obsolete(const struct difference *d) {
    return strncmp(d->name, "list-max-ziplist-", 17) == 0;
}

void effects_warn(const struct conf *conf) {
    struct bytes names = {0};

    for (size_t i = 0; i < sizeof differences / sizeof *differences; i++) {
        const struct difference *d = &differences[i];

        if (d->effect != EFFECT_NONE || is_obsolete(d)) continue;
        if (conf_is_changed(conf, d->name) && !is_inert(conf, d))
            bytes_printf(&names, "%s'%s'", names.n ? ", " : "", d->name);
    }
    if (names.n)
        log_warning("These settings have no effect: %s. 'stet-server --check-config FILE' says "
                    "why.",
                    bytes_cstr(&names));
    bytes_release(&names);
}

/* ---------------------------------------------------------------- --check-config */

struct check {
    struct conf *conf;
    size_t counts[EFFECTS];
    bool has_modules;
};

static const struct difference *difference_of(const struct check *c, const char *name) {
    for (size_t i = 0; i < sizeof differences / sizeof *differences; i++) {
        const struct difference *d = &differences[i];

        if (strcasecmp(d->name, name) != 0) continue;
        return is_obsolete(d) || !is_inert(c->conf, d) ? d : NULL;
    }
    return NULL;
}

/* Values are not printed: some are secret. */
static void print_setting(void *arg, const struct conf_checked *s) {
    static const char *const words[] = {"works", "other", "no effect", "unknown", "refused"};
    struct check *c = arg;
    const struct difference *d = s->error || !s->is_known ? NULL : difference_of(c, s->name);
    enum effect effect = d ? d->effect : EFFECT_WORKS;
    const char *why = d ? d->why : s->error;

    if (s->error) effect = s->is_known ? EFFECT_REFUSED : EFFECT_UNKNOWN;
    if (!s->error && strcasecmp(s->name, "loadmodule") == 0) {
        c->has_modules = true;
        effect = EFFECT_NONE;
        why = NO_MODULES "; refuses the start unless 'ignore-unsupported yes' is set";
    }
    c->counts[effect]++;
    printf("%s:%zu: %-9s  %s%s%s\n", s->path, s->line, words[effect], s->name, why ? ": " : "",
           why ? why : "");
}

int effects_check_file(const char *path) {
    struct conf *conf = conf_new();
    struct check c = {.conf = conf};
    struct err e;
    int rc = conf_check_file(conf, path, print_setting, &c, &e);
    bool refused = c.counts[EFFECT_UNKNOWN] + c.counts[EFFECT_REFUSED] > 0;

    if (rc == 0 && c.has_modules && !conf_values(conf)->ignore_unsupported)
        rc = err_set(&e, 1, "loadmodule: " NO_MODULES);
    printf("%zu settings work, %zu have another effect, %zu have no effect, %zu are unknown, %zu "
           "are refused.\n",
           c.counts[EFFECT_WORKS], c.counts[EFFECT_OTHER], c.counts[EFFECT_NONE],
           c.counts[EFFECT_UNKNOWN], c.counts[EFFECT_REFUSED]);
    if (rc == 0)
        puts("The server accepts this file.");
    else
        printf("The server refuses this file%s%s.\n", refused ? "" : ": ", refused ? "" : e.text);
    conf_free(conf);
    return rc == 0 ? 0 : 1;
}
