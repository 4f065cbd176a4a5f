/* SPDX-License-Identifier: BSD-3-Clause
 *
 * err - why something in the world failed (disk, file format, configuration).
 *
 * A function that can fail so returns 0 or -1 and fills a struct err of the caller's. The text
 * names the subject in quotes and carries errno's text where there is one; it is logged once,
 * where it is handled.
 */
#ifndef STET_BASE_ERR_H
#define STET_BASE_ERR_H

struct err {
    int code; /* an errno value, or a code of the module that set it; never 0 once set */
    char text[512];
};

/* Fills `e` (which may be NULL) and returns -1, so that `return err_set(...)` reads well. */
__attribute__((format(printf, 3, 4))) int err_set(struct err *e, int code, const char *fmt, ...);

#endif
