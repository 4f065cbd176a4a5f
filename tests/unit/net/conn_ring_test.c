/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The tests of conn_test.c once more, with the kernel's ring reading and writing.
 */
#define CONN_TEST_SUITE        conn_ring
#define CONN_TEST_LOGGED_SUITE conn_ring_logged
#define CONN_TEST_BACKEND      CONF_IO_URING
#include "tests/unit/net/conn_test.c"
