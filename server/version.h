/* SPDX-License-Identifier: BSD-3-Clause
 *
 * version - what this build calls itself.
 */
#ifndef STET_SERVER_VERSION_H
#define STET_SERVER_VERSION_H

extern const char stet_version[], stet_git_sha[];

#endif
