/* SPDX-License-Identifier: BSD-3-Clause
 *
 * host - what has to do with the kernel at start: warnings of settings under which forks fail or
 * latency suffers, huge pages.
 */
#ifndef STET_SERVER_HOST_H
#define STET_SERVER_HOST_H

#include "conf/conf.h"

/* Before the sandbox, which may hide /proc and /sys. */
void host_warn(const struct conf_values *v);

/* Switches huge pages off for this process (disable-thp), except those that the server itself asks
 * for (huge-pages). Where the kernel cannot make that difference, or would copy whole huge pages
 * after a fork, there are none. */
void host_set_huge_pages(const struct conf_values *v);

#endif
