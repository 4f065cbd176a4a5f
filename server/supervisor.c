/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/supervisor.h"

#include "storage/base/log.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

static int (*notify)(int unset_environment, const char *state);

void supervisor_find(const struct conf_values *v) {
    static const char name[] = "libsystemd.so.0";
    void *library, *found;

    if (v->supervised != CONF_SUPERVISED_SYSTEMD && v->supervised != CONF_SUPERVISED_AUTO) return;
    if (!getenv("NOTIFY_SOCKET")) return;
    library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    found = library ? dlsym(library, "sd_notify") : NULL;
    if (found)
        memcpy(&notify, &found, sizeof notify);
    else
        log_warning("systemd is not told when this server is ready: %s", dlerror());
}

void supervisor_tell(const char *lines) {
    if (notify) notify(0, lines);
}
