/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Listening sockets.
 */
#include "conf/conf.h"
#include "server/net/net.h"

#include "storage/base/mem.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static mode_t seen = 07777; /* the rights that a socket had when they were set */

/* In front of the C library's: looks at the file first. */
int chmod(const char *path, mode_t mode) {
    struct stat st;

    if (stat(path, &st) == 0) seen = st.st_mode & 0777;
    return (int)syscall(SYS_fchmodat, -100, path, mode);
}

Test(net, a_unix_socket_has_its_rights_from_the_beginning) {
    static char *argv[] = {"stet",   "--port",           "0",  "--unixsocket",
                           "s.sock", "--unixsocketperm", "700"};
    char dir[] = "/tmp/stet-net-XXXXXX";
    struct conf *conf;
    struct engine e = {0};
    struct loop loop;
    struct net n;
    struct stat st;
    struct err err;

    mem_thread_init();
    cr_assert(mkdtemp(dir));
    cr_assert_eq(chdir(dir), 0);
    conf = conf_new();
    cr_assert_eq(conf_load_args(conf, 7, argv, NULL), 0);
    e.v = conf_values(conf);
    cr_assert_eq(loop_init(&loop), 0);
    net_init(&n, &loop, &e);
    umask(0);
    cr_assert_eq(net_listen(&n, NULL, &err), 0);
    cr_assert_eq(seen, 0700, "%o", seen);
    cr_assert_eq(stat("s.sock", &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0700);
    cr_assert_eq(umask(022), 0, "the process' own mask is as before");
    net_stop_listening(&n);
    net_release(&n);
    loop_release(&loop);
    conf_free(conf);
    rmdir(dir);
}
