/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/base/spare.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

int spare_open(void) {
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

bool spare_turn_away(int *spare, int listener) {
    bool helped;
    int fd;

    if (*spare >= 0) close(*spare);
    fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    helped = fd >= 0 || (errno != EMFILE && errno != ENFILE);
    if (fd >= 0) close(fd);
    *spare = spare_open();
    return helped;
}
