/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/admin/rows.h"

const struct command debug_commands[] = {{0}};
