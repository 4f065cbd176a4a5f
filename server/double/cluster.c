/* SPDX-License-Identifier: BSD-3-Clause
 *
 * cluster - TEST CLUSTER. What it does stands in server/cluster, which this folder does not see.
 */
#include "server/double/impl.h"
#include "server/exec/slots.h"

int test_cluster(struct call *x) {
    if (x->e->cluster) return x->e->cluster->test(x);
    return reply_err(x, "ERR TEST CLUSTER needs cluster-emulate-nodes");
}
