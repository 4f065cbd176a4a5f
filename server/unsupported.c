/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/unsupported.h"

#include "storage/base/log.h"

#include <string.h>

static bool has_directive(const struct conf *conf, const char *name) {
    size_t n;
    const struct conf_directive *d = conf_directives(conf, &n);

    for (size_t i = 0; i < n; i++)
        if (strcmp(d[i].argv[0], name) == 0) return true;
    return false;
}

int unsupported_refuse(const struct conf *conf) {
    const struct conf_values *v = conf_values(conf);
    const struct {
        bool is_set;
        const char *name, *lacks;
    } settings[] = {
        {has_directive(conf, "loadmodule"), "loadmodule", "load modules"},
    };
    int rc = 0;

    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        if (!settings[i].is_set) continue;
        if (v->ignore_unsupported) {
            log_warning("The setting '%s' has no effect: this server cannot %s.", settings[i].name,
                        settings[i].lacks);
            continue;
        }
        log_warning("The setting '%s' cannot be carried out: this server cannot %s. Remove it, or "
                    "set 'ignore-unsupported yes' to start without it.",
                    settings[i].name, settings[i].lacks);
        rc = -1;
    }
    return rc;
}
