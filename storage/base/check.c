/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/base/check.h"

#include <stdio.h>
#include <stdlib.h>

static check_dump_fn dump_state;

void check_set_dump(check_dump_fn fn) {
    dump_state = fn;
}

void check_fail(const char *file, int line, const char *what) {
    check_dump_fn fn = dump_state;

    dump_state = NULL; /* a check that fails inside the dump must not come back here */
    if (fn)
        fn(file, line, what);
    else
        fprintf(stderr, "%s:%d: '%s' is not true\n", file, line, what);
    abort();
}
