/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/number_file.h"

#include "storage/base/bytes.h"
#include "storage/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void number_file_prepare(struct number_file *f, const char *path) {
    struct bytes tmp = {0};

    *f = (struct number_file){.fd = -1};
    if (!path) return;
    bytes_printf(&tmp, "%s.tmp", path);
    f->path = mem_strdup(path);
    f->tmp = mem_strdup(bytes_cstr(&tmp));
    bytes_release(&tmp);
    f->fd = open(f->tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    f->code = errno;
}

static void forget(struct number_file *f) {
    if (f->fd >= 0) close(f->fd);
    f->fd = -1;
    mem_free(f->tmp);
    f->tmp = NULL;
}

int number_file_publish(struct number_file *f, const int *numbers, size_t n, struct err *e) {
    struct bytes text = {0};
    int rc = 0;

    if (!f->path) return 0;
    for (size_t i = 0; i < n; i++) bytes_printf(&text, "%d\n", numbers[i]);
    if (f->fd < 0)
        rc = err_set(e, f->code, "cannot write '%s': %s", f->path, strerror(f->code));
    else if (write(f->fd, text.p, text.n) != (ssize_t)text.n || rename(f->tmp, f->path) < 0)
        rc = err_set(e, errno, "cannot write '%s': %s", f->path, strerror(errno));
    bytes_release(&text);
    if (rc < 0 && f->fd >= 0) unlink(f->tmp);
    forget(f);
    if (rc == 0) return 0;
    mem_free(f->path);
    f->path = NULL;
    return rc;
}

int number_file_give(const struct number_file *f, uid_t uid, gid_t gid) {
    if (!f->path) return 0;
    if (f->fd >= 0) return fchown(f->fd, uid, gid);
    return f->tmp ? 0 : lchown(f->path, uid, gid);
}

/* Under the name that it has by now. */
void number_file_remove(struct number_file *f) {
    if (!f->path) return;
    if (f->fd >= 0 || !f->tmp) unlink(f->fd >= 0 ? f->tmp : f->path);
    forget(f);
    mem_free(f->path);
    f->path = NULL;
}
