/* SPDX-License-Identifier: BSD-3-Clause
 *
 * test - TEST CLUSTER: what happens to an emulated cluster, on command. The container TEST is
 * server/double's.
 */
#ifndef STET_CLUSTER_TEST_H
#define STET_CLUSTER_TEST_H

#include "server/cluster/state.h"

/* cluster_seam.test */
int test_cluster_word(struct call *x);

#endif
