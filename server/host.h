/* SPDX-License-Identifier: BSD-3-Clause
 *
 * host - warns at start of settings of the kernel under which forks fail or latency suffers.
 */
#ifndef STET_SERVER_HOST_H
#define STET_SERVER_HOST_H

#include "conf/conf.h"

/* Before the sandbox, which may hide /proc and /sys. */
void host_warn(const struct conf_values *v);

#endif
