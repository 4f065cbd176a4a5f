/* SPDX-License-Identifier: BSD-3-Clause
 *
 * model - a small data set: what clients write, how it is logged, and what a replay must give.
 *
 * Keys of database 0 and 1 hold values that are unique in a seed's history: a number and as many
 * fill bytes as make up the length. Counters (INCR) only rise. So every state of the data set shows
 * which writes it contains.
 */
#ifndef SIM_MODEL_H
#define SIM_MODEL_H

#include "storage/base/bytes.h"
#include "storage/base/err.h"
#include "storage/keyspace.h"

enum { MODEL_DBS = 2, MODEL_KEYS = 8, MODEL_COUNTERS = 3 };

struct value {
    uint64_t serial; /* 0: no such key */
    uint64_t n;      /* length in bytes; as wide as the other, so that there is no padding */
};

struct model {
    struct value value[MODEL_DBS][MODEL_KEYS];
    int64_t counter[MODEL_COUNTERS]; /* of database 0; 0: no such key */
    int selected;                    /* while a log is read */
};

/* Tells two states apart. */
uint64_t model_print(const struct model *m);
void model_show(const struct model *m, struct bytes *out);

/* Each changes the model and appends the command in RESP form. */
void model_set(struct model *m, int db, int key, uint64_t serial, uint32_t n, struct bytes *resp);
void model_del(struct model *m, int db, int key, struct bytes *resp);
void model_incr(struct model *m, int counter, struct bytes *resp);
void model_flush(struct model *m, struct bytes *resp);

/* A command that a log holds. */
int model_replay(struct model *m, size_t argc, const struct slice *argv, struct err *e);

/* The model as a keyspace, which is emptied first. */
void model_fill(const struct model *m, struct keyspace *ks);

/* The way back, for a base that was loaded as an RDB. -1: it holds what no client wrote. */
int model_take(struct model *m, const struct keyspace *ks, struct err *e);

#endif
