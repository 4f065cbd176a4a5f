/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/effects.h"

#include "protocol/encode.h"
#include "server/exec/engine.h"
#include "storage/base/num.h"

struct bytes *effects_begin(struct engine *e, int db) {
    struct effects *f = &e->effects;

    if (f->n == 0) {
        f->first_db = db;
    } else if (db != f->last_db) {
        char text[NUM_I64_MAX];
        struct slice argv[] = {SLICE("SELECT"), slice_of(text, (size_t)num_format_i64(text, db))};

        encode_command(&f->buf, 2, argv);
        f->n++;
    }
    f->last_db = db;
    f->n++;
    return &f->buf;
}

void effects_flush(struct engine *e) {
    struct effects *f = &e->effects;

    if (f->n == 0) return;
    aof_append_group(e->aof, f->first_db, f->last_db, &f->buf, f->n);
    bytes_clear(&f->buf);
    f->n = 0;
}
