/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/again.h"

#include "storage/base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char listeners_name[] = "STET_AGAIN_LISTENERS", cut_name[] = "STET_AGAIN_CUT";
static const char program[] = "/proc/self/exe";
static int start_dir = -1;

/* "KIND:FD:NODE KIND:FD:NODE ..." */
static void pass_on_listeners(const struct net *n) {
    struct bytes b = {0};

    for (size_t i = 0; i < n->nlisteners; i++) {
        fcntl(n->listener[i].fd, F_SETFD, 0);
        bytes_printf(&b, "%s%d:%d:%u", i ? " " : "", (int)n->listener[i].kind, n->listener[i].fd,
                     n->listener[i].node);
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

void again_note_start(void) {
    start_dir = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* `dir` has changed the directory since, and the command line is relative to the one before. */
int again(const struct app *a, const struct again_cut *cut, struct err *e) {
    if (fchdir(start_dir) < 0)
        return err_set(e, errno, "the directory of the start: %s", strerror(errno));
    pass_on_listeners(&a->net);
    pass_on_cut(cut);
    execv(program, a->argv);
    unsetenv(listeners_name);
    unsetenv(cut_name);
    return err_set(e, errno, "%s: %s", program, strerror(errno));
}

/* Nothing is made longer. */
static int cut_file(const char *path, uint64_t size) {
    struct stat st;

    if (stat(path, &st) < 0) return -1;
    return (uint64_t)st.st_size <= size ? 0 : truncate(path, (off_t)size);
}

int again_begin(bool is_double) {
    const char *text = is_double ? getenv(cut_name) : NULL, *path = text ? strchr(text, ' ') : NULL;
    uint64_t size;
    int rc = 0;

    if (!is_double) unsetenv(listeners_name);
    if (text && (!path || !num_parse_u64(text, (size_t)(path - text), &size) ||
                 cut_file(path + 1, size) < 0)) {
        fprintf(stderr, "%s: '%s' cannot be cut: %s\n", cut_name, text, strerror(errno));
        rc = -1;
    }
    unsetenv(cut_name);
    return rc;
}

const char *again_inherited(void) {
    return getenv(listeners_name);
}
