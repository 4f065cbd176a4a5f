/* SPDX-License-Identifier: BSD-3-Clause
 *
 * vset - what the commands on vector sets share: finding the set, vectors as arguments.
 */
#ifndef STET_COMMANDS_VSET_H
#define STET_COMMANDS_VSET_H

#include "server/commands/support.h"
#include "storage/vset.h"

#define ERR_VECTOR "ERR invalid vector specification"

/* A vector as a client sent it. */
struct vector_arg {
    float *v; /* the caller's to free */
    uint32_t dim;
    int next; /* the argument after it */
};

/* "FP32 blob" or "VALUES count number..." from argument i on. False, with an error: neither, a
 * number that is none, or more than VSET_DIM_MAX. */
bool arg_vector(struct call *x, int i, struct vector_arg *out);

/* False, with an error, if there are not min..max arguments, the command's name among them. */
bool vset_args(struct call *x, int min, int max);

/* The set at argument 1; *s is NULL if the key is missing. False, with an error: another type. */
bool find_vset(struct call *x, bool for_write, struct ref *r, struct vset **s);

/* The set and the element that argument 2 names; NULL each where there is none. */
bool find_vset_element(struct call *x, struct ref *r, struct vset **s, struct vset_element **e);

const char *vset_quant_name(const struct vset *s);

static inline double vset_score(float distance) {
    return 1.0 - distance / 2.0;
}

#endif
