/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/version.h"

const char stet_version[] = STET_VERSION;
const char stet_git_sha[] = STET_GITSHA;
