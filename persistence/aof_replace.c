/* SPDX-License-Identifier: BSD-3-Clause
 *
 * aof_replace - another data set takes the place of the one that the AOF holds (a full sync of a
 * replica): its file becomes the base.
 *
 * The increment after it does not exist yet, but its beginning is decided at once: position, id and
 * header. So what is appended meanwhile has its positions, and is held until there is the file.
 * The base says its position in a header line after the RDB, which Redis skips as it does in an RDB
 * with commands after it. The position leaves a gap to the old AOF: with old bases, what follows
 * would lead nowhere.
 */
#include "persistence/aof_internal.h"

#include "storage/base/log.h"

#include <stdio.h>
#include <unistd.h>

int aof_temp_name(struct aof *a, char name[AOF_NAME_MAX]) {
    snprintf(name, AOF_NAME_MAX, "temp-%.180s.sync-%ld-%u.rdb", a->o.names.filename, (long)getpid(),
             a->temps++);
    return a->dirfd;
}

/* Ends what the AOF was: its last batch still goes to the old files, if they can take it. */
static void leave_old(struct aof *a) {
    aof_rewrite_abort(a, "the data set is replaced");
    aof_replace_forget(a);
    aof_close_batch(a);
    if (a->phase == AOF_RECOVERING) {
        aof_writer_restart(a->w, -1, 0, a->appended, false); /* its queue is dropped */
        a->st.sync_error = a->st.write_error = 0;
    }
    aof_stream_forget(a);
    if (a->phase != AOF_ENABLING) aof_enter(a, AOF_ENABLING, "the data set is replaced");
    aof_writer_set_policy(a->w, a->o.policy);
}

void aof_enable_with(struct aof *a, const char *temp_name) {
    if (a->dirfd < 0) { /* then it is not there either */
        aof_enable(a);
        return;
    }
    leave_old(a);
    snprintf(a->replacement, sizeof a->replacement, "%s", temp_name);
    a->replacing = a->stream.expected = true;
    a->held_after = a->payload_end;
    a->appended++;
    a->fork_position = a->appended;
    aof_begin_epoch(a, "", &a->head);
    a->scheduled = false;
    a->retry_at_us = 0;
    aof_rewrite_begin(a, RW_FOR_REPLACE);
}

void aof_replace_forget(struct aof *a) {
    if (a->replacing && (a->rw == RW_IDLE || a->rw == RW_ABORT))
        disposer_unlink(a->disposer, a->dirfd, a->replacement);
    if (a->replacing) a->payload_end = a->held_after; /* nothing after that is written */
    a->replacing = a->stream.expected = a->stream.open = false;
    aof_stream_map_clear(&a->stream.map);
    bytes_release(&a->held);
}

void aof_replace_go_on(struct aof *a) {
    aof_writer_switch(a->w, a->incr_fd, a->checksum);
    memcpy(a->current, a->incr, sizeof a->current);
    a->incr_fd = -1;
    aof_push_head(a, &a->head, a->fork_position + a->head.n);
    if (a->held.n) aof_writer_push(a->w, &a->held, a->appended, AOF_BATCH_DATA);
    bytes_release(&a->held);
    a->head_end = a->checksum ? a->fork_position + a->head.n : 0;
    a->head.n = 0;
    a->replacing = a->stream.expected = false;
    memcpy(a->epoch_file, a->current, sizeof a->epoch_file);
    aof_stream_map_name(&a->stream.map, a->current);
}
