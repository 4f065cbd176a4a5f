/* SPDX-License-Identifier: BSD-3-Clause
 *
 * json - appends JSON. The caller opens and closes objects and arrays; commas come by themselves.
 *
 * Strings are ASCII: other bytes are shown as \xNN, as redis-cli shows them, because keys and
 * arguments are of no encoding.
 */
#ifndef STET_HTTP_JSON_H
#define STET_HTTP_JSON_H

#include "storage/base/bytes.h"

#include <stdint.h>

/* `name` NULL: an element of an array. */
void json_open(struct bytes *out, const char *name, char bracket);
void json_close(struct bytes *out, char bracket);
void json_string(struct bytes *out, const char *name, struct slice value);
void json_int(struct bytes *out, const char *name, int64_t value);
void json_micro(struct bytes *out, const char *name, double value); /* two decimals */

#endif
