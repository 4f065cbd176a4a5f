/* SPDX-License-Identifier: BSD-3-Clause
 *
 * repeats - tells which of the values that a command names it has named before.
 *
 * One request can name a large value a million times. What a union, an intersection or a merge
 * makes of it is known after the first time, so that the work depends on the data and not on how
 * often it is named. With few values nothing is noted, and none is called a repeat.
 */
#ifndef STET_COMMANDS_REPEATS_H
#define STET_COMMANDS_REPEATS_H

#include <stdbool.h>
#include <stddef.h>

enum { REPEATS_MIN = 5 }; /* values of one command from which on it is worth it */

struct repeats {
    const void **seen;
    size_t mask;
};

/* For a command with n values. */
void repeats_init(struct repeats *r, size_t n);
void repeats_release(struct repeats *r);

/* Whether `value`, by its address, was given before; NULL never was. */
bool repeats_has(struct repeats *r, const void *value);

#endif
