/* SPDX-License-Identifier: BSD-3-Clause
 *
 * number_file - a file with numbers, one a line, that appears whole or not at all: a pid, ports.
 *
 * It is opened under another name before the sandbox is entered, and gets its numbers and its name
 * later: in the sandbox no file of that directory can be written to.
 */
#ifndef STET_SERVER_NUMBER_FILE_H
#define STET_SERVER_NUMBER_FILE_H

#include "storage/base/err.h"

#include <sys/types.h>

struct number_file {
    char *path, *tmp; /* path NULL: there is none, and every call does nothing */
    int fd, code;     /* code: why it could not be opened */
};

/* `path` may be NULL. What fails is reported by number_file_publish(). */
void number_file_prepare(struct number_file *f, const char *path);
int number_file_publish(struct number_file *f, const int *numbers, size_t n, struct err *e);

/* Makes it another user's, in whatever state it is. 0, or -1 with errno. */
int number_file_give(const struct number_file *f, uid_t uid, gid_t gid);
void number_file_remove(struct number_file *f);

#endif
