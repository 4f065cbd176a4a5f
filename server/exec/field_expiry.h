/* SPDX-License-Identifier: BSD-3-Clause
 *
 * field_expiry - removes fields of hashes whose time is over, whether somebody asks for them or
 * not. Commands do not see such fields; only this removes them, and logs it as HDEL.
 */
#ifndef STET_EXEC_FIELD_EXPIRY_H
#define STET_EXEC_FIELD_EXPIRY_H

#include "server/exec/engine.h"

/* Goes on until nothing is due in this database, or the time (clock_real_ns) is up: then true. */
bool expire_fields(struct engine *e, struct db *db, uint64_t end_ns);

#endif
