/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/again.h"

#include "storage/base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char listeners_name[] = "STET_AGAIN_LISTENERS", cut_name[] = "STET_AGAIN_CUT";

/* "KIND:FD KIND:FD ..." */
static void pass_on_listeners(const struct net *n) {
    struct bytes b = {0};

    for (size_t i = 0; i < n->nlisteners; i++) {
        fcntl(n->listener[i].fd, F_SETFD, 0);
        bytes_printf(&b, "%s%d:%d", i ? " " : "", (int)n->listener[i].kind, n->listener[i].fd);
    }
    setenv(listeners_name, bytes_cstr(&b), 1);
    bytes_release(&b);
}

static void pass_on_cut(const struct again_cut *cut) {
    struct bytes b = {0};

    if (!cut) return;
    bytes_printf(&b, "%llu %s", (unsigned long long)cut->size, cut->path);
    setenv(cut_name, bytes_cstr(&b), 1);
    bytes_release(&b);
}

int again(const struct app *a, const struct again_cut *cut, struct err *e) {
    pass_on_listeners(&a->net);
    pass_on_cut(cut);
    execv(a->executable, a->argv);
    unsetenv(listeners_name);
    unsetenv(cut_name);
    return err_set(e, errno, "%s: %s", a->executable, strerror(errno));
}

int again_cut_off(void) {
    const char *text = getenv(cut_name), *path = text ? strchr(text, ' ') : NULL;
    uint64_t size;
    int rc = 0;

    if (!text) return 0;
    if (!path || !num_parse_u64(text, (size_t)(path - text), &size) ||
        truncate(path + 1, (off_t)size) < 0) {
        fprintf(stderr, "%s: '%s' cannot be cut: %s\n", cut_name, text, strerror(errno));
        rc = -1;
    }
    unsetenv(cut_name);
    return rc;
}

const char *again_inherited(void) {
    return getenv(listeners_name);
}
