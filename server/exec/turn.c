/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/turn.h"
#include "server/exec/hotkeys.h"

#include "conf/conf.h"
#include "server/exec/acl.h"
#include "server/exec/audit.h"
#include "server/exec/auth_delay.h"
#include "server/exec/blocking.h"
#include "server/exec/breathe.h"
#include "server/exec/evict.h"
#include "server/exec/file_queue.h"
#include "server/exec/latency.h"
#include "server/exec/pubsub.h"
#include "server/exec/push.h"
#include "server/exec/sink_aof.h"
#include "server/exec/slowlog.h"
#include "server/exec/tracking.h"
#include "storage/base/check.h"
#include "storage/base/mem.h"

/* ---------------------------------------------------------------- the parts */

struct engine_parts {
    struct acl acl;
    struct audit audit;
    struct auth_delay auth_delay;
    struct evictions evictions;
    struct latency latency;
    struct pubsub pubsub;
    struct pushes pushes;
    struct slowlog logs[COMMAND_LOGS];
    struct tracking tracking;
};

static void hold_parts(struct engine *e) {
    struct engine_parts *p = mem_calloc(sizeof *p);

    e->parts = p;
    e->acl = &p->acl;
    e->audit = &p->audit;
    e->auth_delay = &p->auth_delay;
    e->evictions = &p->evictions;
    e->latency = &p->latency;
    e->pubsub = &p->pubsub;
    e->pushes = &p->pushes;
    e->logs = p->logs;
    e->tracking = &p->tracking;
}

/* From the thread of the files. */
static void on_file_end(void *arg) {
    const struct engine *e = arg;

    if (e->hooks.wake) e->hooks.wake(e->hooks.arg);
}

/* All but the users and the file queue. */
static void begin(struct engine *e, struct conf *conf, struct aof *aof) {
    struct sink to_aof;

    hold_parts(e);
    list_init(&e->kin);
    e->conf = conf;
    e->v = conf_values(conf);
    e->aof = aof;
    e->active_expire = true;
    e->breath.limit = BREATHE_STEPS;
    e->started_ms = clock_wall_ms();
    list_init(&e->sessions);
    list_init(&e->parked);
    list_init(&e->closing);
    blocking_init(e);
    links_init(&e->links);
    interests_init(&e->interests, e->ks.ndbs);
    pubsub_init(e->pubsub);
    push_init(e);
    tracking_init(e);
    for (int i = 0; i < COMMAND_LOGS; i++) slowlog_init(&e->logs[i]);
    gate_init(&e->gate, aof);
    e->propagation = (struct propagation){0};
    to_aof = sink_aof(aof);
    propagate_to(&e->propagation, &to_aof);
    rdb_saver_init(&e->saver, &e->ks, &(struct rdb_saver_hooks){0});
    command_registry_seal(&e->commands);
}

void engine_init(struct engine *e, struct conf *conf, struct aof *aof) {
    begin(e, conf, aof);
    acl_init(e);
    e->files = file_queue_new(on_file_end, e);
}

void engine_init_guest(struct engine *e, struct engine *first, struct aof *aof) {
    begin(e, first->conf, aof);
    CHECK(e->commands.last_id == first->commands.last_id); /* users know commands by their ids */
    e->acl = first->acl;
    e->audit = first->audit;
    e->auth_delay = first->auth_delay;
    e->files = first->files;
    list_append(&first->kin, &e->kin);
}

bool engine_is_guest(const struct engine *e) {
    return e->acl != &e->parts->acl;
}

struct engine *engine_first(struct engine *e) {
    while (engine_is_guest(e)) e = list_entry(e->kin.next, struct engine, kin);
    return e;
}

void engine_release(struct engine *e) {
    CHECK(list_empty(&e->sessions));
    list_remove(&e->kin);
    if (!engine_is_guest(e)) {
        engine_finish_files(e, 0);
        acl_release(e);
    }
    blocking_release(e);
    interests_release(&e->interests);
    links_release(&e->links);
    pubsub_release(e->pubsub);
    push_release(e);
    tracking_release(e);
    for (int i = 0; i < COMMAND_LOGS; i++) slowlog_trim(&e->logs[i], 0);
    hotkeys_free(e);
    latency_release(e->latency);
    mem_free(e->monitors);
    keyspace_release(&e->ks);
    command_registry_release(&e->commands);
    gate_release(&e->gate);
    rdb_saver_release(&e->saver);
    out_pool_release(&e->out_pool);
    propagate_release(&e->propagation);
    bytes_release(&e->gone_key);
    mem_free(e->args.v);
    mem_free(e->args_within.v);
    mem_free(e->parts);
}

void engine_finish_files(struct engine *e, int deadline_ms) {
    file_queue_free(e->files, deadline_ms);
    e->files = NULL;
}

/* ---------------------------------------------------------------- around the loop */

/* Resumes all sessions that are parked now; a session that still has to wait parks again. */
static void resume_all(struct engine *e) {
    size_t n = e->nparked;

    while (n-- > 0 && e->nparked > 0) {
        struct session *s = list_entry(e->parked.next, struct session, parked);

        session_enter(s, SESSION_ACTIVE);
        s->ops->resume(s);
    }
}

/* Those that waited for room in the AOF buffer. */
static void resume_parked(struct engine *e) {
    if (e->nparked == 0 || e->pause.mode != PAUSE_NONE) return;
    if (aof_backlog(e->aof) <= e->v->aof_buffer_limit / 2) resume_all(e);
}

static void end_pause(struct engine *e) {
    if (!pause_check_time(&e->pause, clock_mono_us()) && !e->resume) return;
    e->resume = false;
    if (e->pause.mode != PAUSE_ALL) resume_all(e);
}

/* Clients that were held back, or have had what they waited for, are told as well: the command that
 * takes long may be the first of those that go on. */
void engine_serve_within(struct engine *e, enum engine_busy why) {
    engine_set_busy(e, why);
    if (e->hooks.serve_within) e->hooks.serve_within(e->hooks.arg, e);
    end_pause(e);
    resume_parked(e);
    blocked_resume(e);
}

void engine_unpause(struct engine *e, enum pause_reason why) {
    if (pause_end(&e->pause, why)) e->resume = true;
}

uint64_t engine_next_deadline(const struct engine *e) {
    uint64_t next = e->nblocked ? blocked_next_deadline(e) : 0;

    if (e->pause.mode == PAUSE_NONE || e->pause.until_us == PAUSE_FOR_EVER) return next;
    if (next == 0 || e->pause.until_us < next) next = e->pause.until_us;
    return next;
}

static void refresh_gate(struct engine *e) {
    gate_refresh(&e->gate);
    if (__builtin_expect(!gate_changes_units(&e->gate), 1)) return;
    list_each (it, &e->sessions)
        session_gates_anew(list_entry(it, struct session, link), gate_end(&e->gate));
}

void engine_before_wait(struct engine *e) {
    DCHECK(e->propagation.ncommands == 0 && !e->busy);
    session_end_closing(e);
    do { /* one that goes on may take long, and park others while it does */
        end_pause(e);
        blocking_serve(e);
        blocked_resume(e);
    } while (e->resume);
    tracking_broadcast(e);
    session_end_closing(e);
    if (!e->batch_open) aof_hand_over(e->aof);
    refresh_gate(e);
}

void engine_on_log_progress(struct engine *e) {
    aof_on_wake(e->aof);
    refresh_gate(e);
    resume_parked(e);
    if (e->nblocked) blocked_check_progress(e);
}
