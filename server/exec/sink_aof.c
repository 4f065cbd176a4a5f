/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/sink_aof.h"

static void command(void *aof, int db, struct slice resp) {
    aof_append(aof, db, resp);
}

static void unit(void *aof, const struct unit *u) {
    aof_append_group(aof, u->db, u->last_db, u->resp, u->ncommands);
}

struct sink sink_aof(struct aof *a) {
    return (struct sink){
        .wants = aof_wants_commands(a), .command = command, .unit = unit, .arg = a};
}
