/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node_keys - commands about the whole keyspace where a node shows only a part of it: its own slots
 * of an emulated cluster. Each walks over all keys.
 */
#ifndef STET_COMMANDS_NODE_KEYS_H
#define STET_COMMANDS_NODE_KEYS_H

#include "server/exec/slots.h"

size_t node_count(struct call *x);

/* Any one of the node's keys; NULL: it has none. */
struct entry *node_random(struct call *x);

/* Deletes all keys of the node, and adds their deletion to the effects of the call. */
void node_flush(struct call *x, bool lazy);

#endif
