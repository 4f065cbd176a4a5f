/* SPDX-License-Identifier: BSD-3-Clause
 *
 * conf - the object: making and freeing it, reading from it.
 */
#include "conf/conf_impl.h"

#include "storage/base/check.h"
#include "storage/base/mem.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

/* The first applier of every conf: the process changes to the directory that CONFIG GET dir
 * shows. */
static int apply_dir(void *arg, const struct conf_values *v, struct err *e) {
    (void)arg;
    if (v->dir.path && chdir(v->dir.path) < 0)
        return err_set(e, CONF_ERR_APPLY, "%s", strerror(errno));
    return 0;
}

static void set_working_directory(struct conf_values *v) {
    char cwd[PATH_MAX];

    v->dir.path = mem_strdup(getcwd(cwd, sizeof cwd) ? cwd : ".");
}

struct conf *conf_new(void) {
    struct conf *c = mem_calloc(sizeof *c);

    conf_values_default(&c->defaults);
    conf_values_copy(&c->values, &c->defaults);
    set_working_directory(&c->values); /* no default: a rewritten file always names it */
    c->start_dir = mem_strdup(c->values.dir.path);
    c->seen = mem_calloc(conf_row_count * sizeof *c->seen);
    conf_on_apply(c, "dir", apply_dir, NULL);
    return c;
}

static void directive_release(struct conf_directive *d) {
    for (size_t i = 0; i < d->argc; i++) mem_free((char *)d->argv[i]);
    mem_free((void *)d->argv);
    mem_free((char *)d->text);
}

void conf_free(struct conf *c) {
    if (!c) return;
    conf_values_release(&c->values);
    conf_values_release(&c->defaults);
    for (size_t i = 0; i < c->directive_count; i++) directive_release(&c->directives[i]);
    mem_free(c->directives);
    mem_free(c->appliers);
    mem_free(c->seen);
    mem_free(c->path);
    mem_free(c->start_dir);
    bytes_release(&c->options);
    mem_free(c->failed_text);
    mem_free(c->failed_reason);
    mem_free(c);
}

const char *conf_redis_version(const struct conf_values *v) {
    return v->compat_version == CONF_COMPAT_8_0 ? "8.0.6" : CONF_REDIS_VERSION;
}

const struct conf_values *conf_values(const struct conf *c) {
    return &c->values;
}

const char *conf_path(const struct conf *c) {
    return c->path;
}

void conf_set_replicaof(struct conf *c, const char *host, int port) {
    char *copy = host ? mem_strdup(host) : NULL;

    mem_free((char *)c->values.replicaof.host);
    c->values.replicaof = (struct conf_replicaof){copy, copy ? port : 0};
}

void conf_set_bound_port(struct conf *c, int port) {
    c->values.port = port;
}

bool conf_is_changed(const struct conf *c, const char *name) {
    const struct conf_row *r = conf_find(slice_str(name), NULL);

    CHECK(r != NULL);
    return c->seen[r - conf_rows] && !conf_same(r, &c->values, &c->defaults);
}

void conf_show(const struct conf *c, const char *name, struct bytes *out) {
    const struct conf_row *r = conf_find(slice_str(name), NULL);

    CHECK(r != NULL);
    conf_format(r, &c->values, out);
}

const struct conf_directive *conf_directives(const struct conf *c, size_t *count) {
    *count = c->directive_count;
    return c->directives;
}

void conf_on_apply_group(struct conf *c, enum conf_group group, conf_apply_fn fn, void *arg) {
    for (size_t i = 0; i < conf_row_count; i++)
        if (conf_rows[i].flags >> CONF_GROUP_SHIFT == (unsigned)group)
            conf_on_apply(c, conf_rows[i].name, fn, arg);
}

void conf_on_apply(struct conf *c, const char *name, conf_apply_fn fn, void *arg) {
    const struct conf_row *r = conf_find(slice_str(name), NULL);

    CHECK(r != NULL);
    c->appliers = mem_realloc(c->appliers, (c->applier_count + 1) * sizeof *c->appliers);
    c->appliers[c->applier_count++] = (struct conf_applier){r, fn, arg};
}

void conf_on_rewrite(struct conf *c, const char *directive, conf_lines_fn fn, void *arg) {
    CHECK(c->owner_count < CONF_OWNERS_MAX);
    c->owners[c->owner_count++] = (struct conf_owner){directive, fn, arg};
}
