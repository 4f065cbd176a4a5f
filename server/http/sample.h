/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sample - walks the keyspace in small steps and adds up what each type takes, and which keys are
 * largest. It runs only while a page is open.
 *
 * A step takes SAMPLE_STEP_NS, 50 times a second at the most; a pass over all databases is followed
 * by a rest. Of a value of many parts five are looked at, as MEMORY USAGE does. Keys do not count
 * as used, and their times to live are not touched.
 */
#ifndef STET_HTTP_SAMPLE_H
#define STET_HTTP_SAMPLE_H

#include "storage/type.h"

#include <stddef.h>

enum { SAMPLE_TOP = 10, SAMPLE_KEY_MAX = 96 };

struct engine;

struct sample_key {
    char key[SAMPLE_KEY_MAX]; /* its beginning */
    size_t key_len;           /* of the whole */
    size_t bytes;
    int db;
    enum type_id type;
};

struct sample_pass {
    uint64_t keys;
    struct {
        uint64_t keys, bytes;
    } type[TYPE_COUNT];
    struct sample_key top[SAMPLE_TOP]; /* the largest first */
    unsigned ntop;
};

struct sample {
    struct sample_pass now, last; /* under way; the last one that came to its end */
    bool complete;                /* there is a last one */
    int db;
    uint64_t cursor;
    uint64_t rest_until_ns; /* clock_real_ns; 0: a pass is under way */
};

/* One step; the data set must be whole. */
void sample_step(struct sample *s, const struct engine *e);

#endif
