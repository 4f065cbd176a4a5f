/* SPDX-License-Identifier: BSD-3-Clause */
#include "conf/conf.h"
#include "conf_help.h"

#include <criterion/criterion.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads again and sets: "name old new" of each difference, with '!' before those that need a
 * restart; or the error's text. */
static const char *reload(struct conf *c, bool local) {
    static char text[2000];
    static struct err e;
    struct conf_reload *r = conf_reload_read(c, &e);
    const struct conf_difference *d;
    size_t n;

    text[0] = '\0';
    if (!r) return e.text;
    if (conf_reload_apply(c, r, local, &e) < 0) {
        conf_reload_free(r);
        snprintf(text, sizeof text, "%s", e.text);
        return text;
    }
    d = conf_reload_differences(r, &n);
    for (size_t i = 0; i < n; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s %s %s;",
                 d[i].kind == CONF_NEEDS_RESTART ? "!" : "", d[i].name, d[i].running, d[i].file);
    conf_reload_free(r);
    return text;
}

Test(conf_reload, a_port_that_the_system_chose_is_no_difference) {
    struct conf *c;

    help_in_tmp();
    help_write("c.conf", "port auto\n");
    c = help_args("c.conf");
    conf_set_bound_port(c, 40001);
    cr_assert_str_eq(reload(c, true), "");
    cr_assert_eq(conf_values(c)->port, 40001);
    help_write("c.conf", "port 7000\n");
    cr_assert_str_eq(reload(c, true), "port auto 7000;");
    cr_assert_eq(conf_values(c)->port, 7000);
    cr_assert_not(conf_values(c)->port_auto);
    conf_free(c);
}

Test(conf_reload, every_kind_of_value_is_copied) {
    static const char *const want[] = {"bind * -::* 127.0.0.1 -::1;",
                                       "shutdown-on-sigint default nosave;",
                                       "maxmemory 0 1024;",
                                       "maxmemory-policy noeviction allkeys-lru;",
                                       "save 3600 1 300 100 60 10000 1 2 3 4;",
                                       "masterauth (hidden) (hidden);",
                                       "latency-tracking yes no;",
                                       "notify-keyspace-events  AKE;"};
    struct conf *c;
    const char *text;

    help_in_tmp();
    help_write("c.conf", "hz 20\n");
    c = help_args("c.conf");
    help_write("c.conf", "hz 20\nsave 1 2\nsave 3 4\nbind 127.0.0.1 -::1\nlatency-tracking no\n"
                         "maxmemory 1kb\nmaxmemory-policy allkeys-lru\nshutdown-on-sigint nosave\n"
                         "notify-keyspace-events KEA\nmasterauth secret\n"
                         "aof-history-keep 7d\n");
    text = reload(c, true);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        cr_assert(strstr(text, want[i]), "no '%s' in %s", want[i], text);
    cr_assert_str_eq(help_get(c, "save"), "1 2 3 4");
    cr_assert_str_eq(help_get(c, "masterauth"), "secret");
    cr_assert_str_eq(reload(c, true), "");
    conf_free(c);
}

Test(conf_reload, protected_and_immutable_parameters_need_a_restart) {
    struct conf *c;

    help_in_tmp();
    mkdir("d", 0755);
    help_write("c.conf", "enable-protected-configs local\ndbfilename a.rdb\n");
    c = help_args("c.conf");
    help_write("c.conf", "enable-protected-configs local\ndbfilename b.rdb\ndatabases 3\n");
    cr_assert_str_eq(reload(c, false), "!databases 16 3;!dbfilename a.rdb b.rdb;");
    cr_assert_str_eq(help_get(c, "dbfilename"), "a.rdb");
    cr_assert_str_eq(reload(c, true), "!databases 16 3;dbfilename a.rdb b.rdb;");
    cr_assert_str_eq(help_get(c, "dbfilename"), "b.rdb");
    conf_free(c);
}

static int refuse(void *arg, const struct conf_values *v, struct err *e) {
    (void)v;
    if (!*(bool *)arg) return 0;
    *(bool *)arg = false;
    return err_set(e, 1, "not now");
}

Test(conf_reload, an_applier_that_refuses_undoes_everything) {
    struct conf *c;
    bool refuses = true;

    help_in_tmp();
    help_write("c.conf", "hz 20\n");
    c = help_args("c.conf");
    conf_on_apply(c, "timeout", refuse, &refuses);
    help_write("c.conf", "hz 30\ntimeout 5\n");
    cr_assert_str_eq(reload(c, true),
                     "CONFIG RELOAD failed (possibly related to argument 'timeout') - not now");
    cr_assert_str_eq(help_get(c, "hz"), "20");
    conf_free(c);
}

static int count(void *arg, const struct conf_values *v, struct err *e) {
    (void)v;
    (void)e;
    ++*(int *)arg;
    return 0;
}

Test(conf_reload, certificates_are_read_again_though_nothing_differs) {
    struct conf *c;
    int calls = 0;

    help_in_tmp();
    help_write("c.conf", "tls-cert-file a.pem\n");
    c = help_args("c.conf");
    conf_on_apply(c, "tls-cert-file", count, &calls);
    conf_on_apply(c, "tls-key-file", count, &calls);
    cr_assert_str_eq(reload(c, true), "");
    cr_assert_eq(calls, 1);
    conf_free(c);
}

Test(conf_reload, the_working_directory_is_left_alone) {
    struct conf *c;
    char before[4096], after[4096];

    help_in_tmp();
    mkdir("d", 0755);
    mkdir("d/e", 0755);
    help_write("d/more.conf", "hz 33\n");
    help_write("c.conf", "dir d\ninclude more.conf\n");
    c = help_args("c.conf");
    cr_assert_eq(chdir("e"), 0);
    cr_assert(getcwd(before, sizeof before));
    help_write("../more.conf", "hz 34\n");
    cr_assert_str_eq(reload(c, true), "hz 33 34;");
    cr_assert(getcwd(after, sizeof after));
    cr_assert_str_eq(before, after);
    conf_free(c);
}

Test(conf_reload, errors_name_file_and_line_and_no_value) {
    struct conf *c;
    const char *text;

    help_in_tmp();
    help_write("c.conf", "hz 20\n");
    c = help_args("c.conf");
    help_write("c.conf", "\nrequirepass a secret\n");
    text = reload(c, true);
    cr_assert(strstr(text, "/c.conf', line 2 (requirepass): "), "%s", text);
    cr_assert_not(strstr(text, "secret"), "%s", text);
    help_write("c.conf", "include no.conf\n");
    text = reload(c, true);
    cr_assert_eq(strncmp(text, "can't open config file '/", 25), 0, "%s", text);
    unlink("c.conf");
    cr_assert_eq(mkfifo("c.conf", 0600), 0);
    text = reload(c, true);
    cr_assert(strstr(text, "c.conf' is no regular file, and cannot be read again"), "%s", text);
    unlink("c.conf");
    text = reload(c, true);
    cr_assert_eq(strncmp(text, "can't open config file '/", 25), 0, "%s", text);
    conf_free(c);
}
