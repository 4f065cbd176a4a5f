/* SPDX-License-Identifier: BSD-3-Clause
 *
 * debug_reload - DEBUG RELOAD: the data set goes to the RDB file, and comes back from there.
 */
#include "conf/conf.h"
#include "server/admin/debug.h"
#include "server/exec/snapshot.h"
#include "storage/base/io.h"
#include "storage/base/log.h"

#include <unistd.h>

struct reload {
    bool save, flush, merge;
};

static bool parse_options(struct call *x, struct reload *o) {
    *o = (struct reload){.save = true, .flush = true};
    for (int i = 2; i < x->argc; i++) {
        if (arg_is(x, i, "merge")) {
            o->merge = true;
        } else if (arg_is(x, i, "noflush")) {
            o->flush = false;
        } else if (arg_is(x, i, "nosave")) {
            o->save = false;
        } else {
            reply_err(x, "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.");
            return false;
        }
    }
    return true;
}

static int save_file(const struct engine *e, int dirfd, struct err *err) {
    struct rdb_save save = snapshot_save(e);
    char temp[64];

    snprintf(temp, sizeof temp, "temp-%ld.rdb", (long)getpid());
    return rdb_publish(&save, dirfd, e->v->dbfilename, temp, NULL, err);
}

static int load_file(struct engine *e, int dirfd, bool merge, struct err *err) {
    /* With an AOF, keys whose time is over stay until they are logged as gone. */
    struct rdb_load load = snapshot_load(e, !propagate_wanted(&e->propagation));
    struct rdb_loaded loaded;
    int fd = io_open_read(dirfd, e->v->dbfilename, err), rc;

    if (fd < 0) return -1;
    load.merge = merge;
    rc = rdb_load(fd, &load, &loaded, err);
    close(fd);
    return rc;
}

/* With `flush` the data set stands aside meanwhile: if the file cannot be read it is back. */
static int load_instead(struct engine *e, const struct reload *o, int dirfd, struct err *err) {
    struct snapshot_aside aside;
    int rc;

    if (!o->flush) return load_file(e, dirfd, o->merge, err);
    snapshot_set_aside(e, &aside);
    rc = load_file(e, dirfd, o->merge, err);
    snapshot_end_aside(e, &aside, rc == 0);
    return rc;
}

static int reload(struct call *x, const struct reload *o, int dirfd, struct err *err) {
    struct engine *e = x->e;

    if (o->save && save_file(e, dirfd, err) < 0) {
        log_warning("DEBUG RELOAD: '%s': %s", e->v->dbfilename, err->text);
        return reply_err(x, "ERR Error trying to save the DB, check server logs.");
    }
    if (load_instead(e, o, dirfd, err) < 0) {
        log_warning("DEBUG RELOAD: '%s': %s", e->v->dbfilename, err->text);
        return reply_err(x, "ERR Error trying to load the RDB dump, check server logs.");
    }
    log_warning("DB reloaded by DEBUG RELOAD");
    reply_ok(&x->r);
    return 0;
}

int debug_reload(struct call *x) {
    struct reload o;
    struct err err;
    int dirfd, rc;

    if (debug_refuse_now(x, "RELOAD") || !parse_options(x, &o)) return -1;
    dirfd = io_open_dir(".", false, &err);
    if (dirfd < 0) return reply_errf(x, "ERR %s", err.text);
    rc = reload(x, &o, dirfd, &err);
    close(dirfd);
    return rc;
}
