/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/sink_aof.h"

static void unit(void *aof, const struct unit *u) {
    const struct aof_unit data = {u->resp, u->ncommands, u->db, u->last_db, u->select};

    switch (u->kind) {
    case UNIT_DATA: aof_append(aof, &data); return;
    case UNIT_LOCAL: aof_append_local(aof, &data); return;
    case UNIT_STREAM: aof_append_note(aof, u->resp); return;
    case UNIT_MASTER: aof_append_bytes(aof, u->resp, u->last_db); return;
    }
}

struct sink sink_aof(struct aof *a) {
    return (struct sink){.wants = aof_wants_commands(a), .unit = unit, .arg = a};
}
