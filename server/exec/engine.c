/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/engine.h"

#include "server/exec/blocking.h"
#include "server/exec/call.h"
#include "server/exec/file_queue.h"
#include "server/exec/monitor.h"
#include "storage/base/check.h"
#include "storage/base/mem.h"

/* From the thread of the files. */
static void on_file_end(void *arg) {
    const struct engine *e = arg;

    if (e->hooks.wake) e->hooks.wake(e->hooks.arg);
}

void engine_init(struct engine *e, struct conf *conf, struct aof *aof) {
    e->conf = conf;
    e->v = conf_values(conf);
    e->aof = aof;
    e->active_expire = true;
    e->started_ms = clock_wall_ms();
    list_init(&e->sessions);
    list_init(&e->parked);
    list_init(&e->closing);
    blocking_init(e);
    links_init(&e->links);
    interests_init(&e->interests, e->ks.ndbs);
    pubsub_init(&e->pubsub);
    push_init(e);
    tracking_init(e);
    for (int i = 0; i < COMMAND_LOGS; i++) slowlog_init(&e->logs[i]);
    gate_init(&e->gate, aof);
    rdb_saver_init(&e->saver, &e->ks, &(struct rdb_saver_hooks){0});
    command_registry_seal(&e->commands);
    acl_init(e);
    e->files = file_queue_new(on_file_end, e);
}

void engine_release(struct engine *e) {
    CHECK(list_empty(&e->sessions));
    engine_finish_files(e, 0);
    blocking_release(e);
    interests_release(&e->interests);
    links_release(&e->links);
    acl_release(e);
    pubsub_release(&e->pubsub);
    push_release(e);
    tracking_release(e);
    for (int i = 0; i < COMMAND_LOGS; i++) slowlog_trim(&e->logs[i], 0);
    latency_release(&e->latency);
    mem_free(e->monitors);
    keyspace_release(&e->ks);
    command_registry_release(&e->commands);
    gate_release(&e->gate);
    rdb_saver_release(&e->saver);
    out_pool_release(&e->out_pool);
    bytes_release(&e->effects.buf);
    bytes_release(&e->gone_key);
    mem_free(e->args.v);
    mem_free(e->args_within.v);
}

void engine_finish_files(struct engine *e, int deadline_ms) {
    file_queue_free(e->files, deadline_ms);
    e->files = NULL;
}

void engine_forget_session(struct engine *e, struct session *s) {
    blocked_forget(e, s);
    pubsub_forget(s);
    monitor_end(s);
    tracking_forget(s);
    push_forget(e, s);
    list_remove(&s->closing);
    if (list_empty(&s->parked)) return;
    list_remove(&s->parked);
    e->nparked--;
}

void engine_count_error(struct engine *e, const char *text) {
    size_t n = strcspn(text, " "), i;

    e->stats.error_replies++;
    for (i = 0; i < e->nerrors; i++)
        if (strncmp(e->errors[i].code, text, n) == 0 && e->errors[i].code[n] == '\0') break;
    if (i == ERROR_STATS_MAX || n >= sizeof e->errors[0].code) return;
    if (i == e->nerrors) {
        memcpy(e->errors[i].code, text, n);
        e->errors[i].code[n] = '\0';
        e->errors[i].count = 0;
        e->nerrors++;
    }
    e->errors[i].count++;
}

static void reset_slot(struct command_slot *s) {
    s->calls = s->ns = s->rejected = s->failed = 0;
    mem_free(s->latency);
    s->latency = NULL;
    for (unsigned i = 0; i < s->nsub; i++) reset_slot(&s->sub[i]);
}

void engine_reset_stats(struct engine *e) {
    e->stats = (struct engine_stats){.peak_memory = mem_used()};
    e->nerrors = 0;
    for (unsigned i = 0; i < e->commands.n; i++) reset_slot(&e->commands.slots[i]);
}

/* ---------------------------------------------------------------- around the loop */

/* Sessions that waited for room in the log go on, all of them: who still finds none parks again. */
static void resume_parked(struct engine *e) {
    size_t n = e->nparked;

    if (n == 0 || e->pause.mode != PAUSE_NONE) return;
    if (aof_backlog(e->aof) > e->v->aof_buffer_limit / 2) return;
    while (n-- > 0 && e->nparked > 0) {
        struct session *s = list_entry(e->parked.next, struct session, parked);

        session_enter(s, SESSION_ACTIVE);
        s->ops->resume(s);
    }
}

static void end_pause(struct engine *e) {
    if (!pause_ends(&e->pause, clock_mono_us()) && !e->resume) return;
    e->resume = false;
    resume_parked(e);
}

/* Clients that were held back, or have had what they waited for, are told as well: the command that
 * takes long may be the first of those that go on. */
void engine_serve_within(struct engine *e, enum engine_busy why) {
    e->busy = why;
    if (e->hooks.serve_within) e->hooks.serve_within(e->hooks.arg);
    end_pause(e);
    resume_parked(e);
    blocked_resume(e);
}

const char *engine_busy_error(const struct engine *e) {
    if (e->busy == BUSY_LOADING) return ERR_LOADING;
    return e->busy == BUSY_FUNCTION ? "BUSY Redis is busy running a script. You can only call "
                                      "FUNCTION KILL or SHUTDOWN NOSAVE."
                                    : "BUSY Redis is busy running a script. You can only call "
                                      "SCRIPT KILL or SHUTDOWN NOSAVE.";
}

void engine_unpause(struct engine *e) {
    if (pause_ends(&e->pause, 0)) e->resume = true;
}

uint64_t engine_next_deadline(const struct engine *e) {
    uint64_t next = e->nblocked ? blocked_next_deadline(e) : 0;

    if (e->pause.mode != PAUSE_NONE && (next == 0 || e->pause.until_us < next))
        next = e->pause.until_us;
    return next;
}

void engine_before_wait(struct engine *e) {
    DCHECK(e->effects.n == 0 && !e->busy);
    session_end_closing(e);
    end_pause(e);
    blocking_serve(e);
    blocked_resume(e);
    tracking_broadcast(e);
    session_end_closing(e);
    if (!e->batch_open) aof_hand_over(e->aof);
    gate_refresh(&e->gate);
}

void engine_on_log_progress(struct engine *e) {
    aof_on_wake(e->aof);
    gate_refresh(&e->gate);
    resume_parked(e);
    if (e->nblocked) blocked_check_progress(e);
}
