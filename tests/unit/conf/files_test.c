/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Whole configuration files. redis-compat.conf is found from the top of the tree, where the tests
 * are run.
 */
#include "conf/conf.h"
#include "conf_help.h"

#include <criterion/criterion.h>
#include <sys/stat.h>
#include <unistd.h>

static char shipped[1 << 18];

static struct conf *load_shipped(void) {
    strcpy(shipped, help_read("redis-compat.conf"));
    help_in_tmp();
    cr_assert_eq(mkdir("data", 0755), 0);
    return help_text(shipped);
}

Test(conf_files, redis_compat_conf_loads_and_sets_what_make_run_needs) {
    struct conf *c = load_shipped();
    const struct conf_values *v = conf_values(c);

    cr_assert_str_eq(help_get(c, "bind"), "127.0.0.1 -::1");
    cr_assert_eq(v->port, 6379);
    cr_assert(v->appendonly);
    cr_assert_eq(v->appendfsync, CONF_FSYNC_EVERYSEC);
    cr_assert_eq(v->save.n, 0);
    cr_assert(strstr(v->dir.path, "/data"));
    conf_free(c);
}

struct compare {
    const struct conf *fresh;
    char differs[1024];
};

static void compare(void *arg, struct slice name, struct slice value) {
    struct compare *k = arg;
    char text[128];
    const char *def;

    snprintf(text, sizeof text, "%.*s", (int)name.n, name.p);
    def = help_get(k->fresh, text);
    if (strlen(def) == value.n && memcmp(def, value.p, value.n) == 0) return;
    strcat(k->differs, text);
    strcat(k->differs, " ");
}

Test(conf_files, redis_compat_conf_changes_nothing_else) {
    struct conf *fresh = conf_new(), *c = load_shipped();
    struct slice all = SLICE("*");
    struct compare k = {.fresh = fresh};

    conf_get(c, &all, 1, compare, &k);
    cr_assert_str_eq(k.differs, "bind dir appendonly save ");
    conf_free(c);
    conf_free(fresh);
}

/* A row is described if a line, commented or not, begins with its name. */
static void must_be_described(void *arg, struct slice name, struct slice value) {
    char with_hash[128], without[128];

    (void)value;
    snprintf(with_hash, sizeof with_hash, "\n# %.*s ", (int)name.n, name.p);
    snprintf(without, sizeof without, "\n%.*s ", (int)name.n, name.p);
    if (strstr(shipped, with_hash) || strstr(shipped, without)) return;
    snprintf(with_hash, sizeof with_hash, "`%.*s`", (int)name.n, name.p);
    cr_expect(strstr(shipped, with_hash), "%s is described", with_hash);
    (void)arg;
}

Test(conf_files, redis_compat_conf_describes_every_parameter) {
    struct conf *c = load_shipped();
    struct slice all = SLICE("*");

    conf_get(c, &all, 1, must_be_described, NULL);
    conf_free(c);
}

Test(conf_files, every_commented_setting_of_redis_compat_conf_loads_too) {
    static char text[1 << 18];
    struct conf *c = load_shipped();
    size_t n = 0;

    for (const char *p = shipped; *p;) {
        const char *end = strchr(p, '\n');
        char name[64] = "", first[2] = "";

        /* A setting in a comment: "# name value", the name a parameter. */
        if (sscanf(p, "# %63[a-z0-9_-] %1[^\n]", name, first) == 2 && help_get(c, name))
            n += (size_t)sprintf(text + n, "%.*s\n", (int)(end - p - 2), p + 2);
        p = end + 1;
    }
    cr_assert_str_eq(help_text_error(text), "");
    conf_free(c);
}

Test(conf_files, the_redis_conf_of_debian_loads) {
    static char text[1 << 18];
    struct conf *c;

    if (access("/etc/redis/redis.conf", R_OK) != 0 || access("/var/lib/redis", X_OK) != 0)
        cr_skip("Debian's redis-server is not here, or not for this user");
    strcpy(text, help_read("/etc/redis/redis.conf"));
    strcat(text, "\nlogfile ''\n"); /* its log is not ours to write */
    c = help_text(text);
    cr_assert_str_eq(help_get(c, "pidfile"), "/run/redis/redis-server.pid");
    conf_free(c);
}
