/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/web.h"

#include "server/admin/admin.h"
#include "server/app.h"
#include "server/http/http.h"
#include "storage/base/log.h"

static void info(void *arg, const char *section, struct bytes *out) {
    struct app *a = arg;
    struct slice word = slice_str(section);

    admin_info(&a->engine, &word, 1, out);
}

static void info_of_cluster(void *arg, struct bytes *out) {
    const struct app *a = arg;

    if (a->cluster) cluster_info(a->cluster, 0, out);
}

static bool is_stopping(void *arg) {
    const struct app *a = arg;

    return a->stop_until_us || a->stopping;
}

static struct tls *tls(void *arg) {
    const struct app *a = arg;

    return a->net.tls;
}

static void serve(void *arg) {
    const struct app *a = arg;

    http_serve(a->http);
    http_between_commands(a->http);
}

void web_build(struct app *a) {
    struct http_app app = {.info = info,
                           .cluster_info = info_of_cluster,
                           .is_stopping = is_stopping,
                           .tls = tls,
                           .arg = a};

    a->http = http_new(a->loop.base, &a->engine, &app);
    loop_after_wait(&a->loop, serve, a);
}

int web_listen(struct app *a) {
    struct err e;

    if (http_listen(a->http, &e) == 0) return 0;
    log_warning("Failed listening for HTTP, aborting. (%s)", e.text);
    return -1;
}
