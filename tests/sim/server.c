/* SPDX-License-Identifier: BSD-3-Clause */
#include "server.h"

#include "disk.h"
#include "feed.h"
#include "fork.h"
#include "given.h"
#include "persistence/aof.h"
#include "persistence/aof_backup.h"
#include "storage/base/clock.h"
#include "storage/base/io.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MS UINT64_C(1000000)

enum {
    BACKUPS = 8,
    STOP_MS = 20000,
    CRON_MS = 100,
    SETTLE_MS = 900 * 1000,  /* back-off doubles, a child that hangs is killed after two minutes */
    ENABLE_MS = 7500 * 1000, /* while enabling it doubles up to an hour */
    THREADS = 6,             /* the main one, three of the writer, the disposer, the watch */
    DESCRIPTORS = 6,         /* the directory, its lock, the file, one for each of three threads */
};

struct server {
    const struct life *life;
    struct journal *journal;
    int process;
    struct aof *aof;
    struct aof_options options;
    struct model model;
    struct keyspace snapshot; /* what a child sees */
    bool has_snapshot;
    struct dice dice;
    bool woken, serves;
    uint64_t cron_ns;
    uint64_t
        owed; /* the last position whose reply waits for a sync, whatever policy came after it */
    enum aof_backup_phase backup;
    uint64_t backup_print;
    enum aof_phase told;  /* aof_info.phase */
    size_t enabled;       /* units when an enabling ended */
    enum aof_phase phase; /* the last one */
    struct feed stream;
    struct given given;
};

static struct {
    struct server server[2];
    int winner; /* process that serves; 0: none yet */
    int starting;
    bool started, after_cut, trace;
    char refusal[600], verdict[2048];
    uint64_t serial;
    struct sealed sealed[BACKUPS];
    size_t nsealed;
} sim;

size_t server_backups(const struct sealed **list) {
    *list = sim.sealed;
    return sim.nsealed;
}

bool server_started(void) {
    return sim.started;
}

const char *server_refusal(void) {
    return sim.refusal;
}

const char *server_verdict(void) {
    return sim.verdict;
}

void server_reset(bool trace) {
    sim.trace = trace;
    sim.verdict[0] = '\0';
    sim.serial = 0;
    sim.nsealed = 0;
    feed_reset();
}

static void note(const char *fmt, ...) {
    va_list ap;

    if (!sim.trace) return;
    printf("%12.6f %-8s ", (double)sched_now_ns() / 1e9, "--------");
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
}

static void note_model(const char *what, const struct model *m) {
    struct bytes text = {0};

    if (!sim.trace) return;
    model_show(m, &text);
    note("%s:%s", what, bytes_cstr(&text));
    bytes_release(&text);
}

static _Noreturn void broken(const char *fmt, ...) {
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(sim.verdict, sizeof sim.verdict, fmt, ap);
    va_end(ap);
    note("RULE BROKEN: %s", sim.verdict);
    sched_stop(END_FAILED);
}

/* ---------------------------------------------------------------- hooks */

static void on_wake(void *arg) {
    struct server *s = arg;

    s->woken = true;
    sched_wake(&s->woken, true);
}

static bool may_fork(void *arg) {
    const struct server *s = arg;

    return aof_child(s->aof) == 0;
}

static void take_snapshot(int process) {
    struct server *s = &sim.server[process - sim.server[0].process];

    model_fill(&s->model, &s->snapshot);
    note("fork: the base holds %zu units", s->journal->n);
    note_model("the base holds", &s->model);
    if (aof_phase(s->aof) == AOF_ENABLING) s->journal->covered = s->journal->n;
}

static int on_command(void *arg, size_t argc, const struct slice *argv, struct err *e) {
    struct server *s = arg;

    return model_replay(&s->model, argc, argv, e);
}

static int on_rdb(void *arg, int fd, bool log_follows, uint64_t *end, struct err *e) {
    struct server *s = arg;
    struct rdb_load o = {.read = {.rules = {.list = {.fill = -2}}, .checksum = true},
                         .ks = &s->snapshot};
    struct rdb_loaded got;

    (void)log_follows;
    o.read.ndbs = MODEL_DBS;
    if (rdb_load(fd, &o, &got, e) < 0) return -1;
    *end = got.report.at;
    return model_take(&s->model, &s->snapshot, e);
}

static void save_rdb(void *arg, struct rdb_save *o) {
    (void)arg;
    *o = (struct rdb_save){.compress = true, .checksum = true};
}

/* ---------------------------------------------------------------- the start */

static void show_difference(struct server *s, size_t want, struct bytes *out) {
    (void)want;
    bytes_append_str(out, "; loaded:");
    model_show(&s->model, out);
}

static void judge_start(struct server *s) {
    struct journal *j = s->journal;
    size_t must = sim.after_cut ? j->must_cut : j->must_kill;
    long found = journal_find(j, model_print(&s->model));
    struct bytes text = {0};

    note("started: %ld of %zu units are there, %zu were promised (%zu for a cut)", found, j->n,
         must, j->must_cut);
    show_difference(s, must, &text);
    if (found < 0)
        broken("no prefix of what was written (of %zu units, %zu promised)%s", j->n, must,
               bytes_cstr(&text));
    if ((size_t)found < must)
        broken("LOST: %zu units were promised after %s, %ld are there (of %zu)", must,
               sim.after_cut ? "a cut" : "a process death", found, j->n);
    bytes_release(&text);
    sim.after_cut = false;
    journal_restart(j, (size_t)found, aof_appended(s->aof), aof_current_level(s->aof));
    journal_progress(j, aof_safe(s->aof, AOF_LEVEL_WRITTEN), aof_safe(s->aof, AOF_LEVEL_SYNCED));
}

static void judge_stream(struct server *s) {
    struct aof_stream_past past[AOF_STREAM_PASTS];
    struct aof_stream found = {0};
    size_t n;
    bool there = aof_stream_loaded(s->aof, &found, past, &n);

    note("stream: %s", there ? found.id + 30 : "none");
    if (there && s->life->restore_from) broken("the stream of a backup is reported");
    if (!feed_start(&s->stream, s->aof, s->life->seed, model_print(&s->model)))
        broken("the data set is not that of stream %s at offset %llu", found.id,
               (unsigned long long)found.offset);
}

static _Noreturn void give_up(struct server *s, const char *why) {
    note("the start is refused: %s", why);
    if (!sim.refusal[0]) snprintf(sim.refusal, sizeof sim.refusal, "%s", why);
    sim.starting--;
    if (sim.starting == 0 && !sim.winner) sched_stop(END_REFUSED);
    disk_process_ends(s->process);
    sched_kill(s->process);
    sched_stop(END_FAILED); /* not reached */
}

static void start(struct server *s) {
    struct aof_hooks hooks = {.wake = on_wake, .may_fork = may_fork, .rdb = save_rdb, .arg = s};
    struct aof_load_options l = {.names = s->options.names,
                                 .load_truncated = true,
                                 .command = on_command,
                                 .rdb = on_rdb,
                                 .arg = s};
    struct err e = {0};

    keyspace_init(&s->snapshot, MODEL_DBS);
    s->has_snapshot = true;
    clock_refresh();
    if (s->life->restore_from &&
        aof_backup_restore(s->life->restore_from, &s->options.names, &e) < 0)
        give_up(s, e.text);
    s->aof = aof_new(&s->snapshot, &s->options, &hooks);
    if (aof_start(s->aof, &l, &e) < 0) give_up(s, e.text);
    sim.starting--;
    if (sim.winner)
        broken("two servers at once: %d started while %d serves", s->process, sim.winner);
    sim.winner = s->process;
    sim.started = true;
    judge_start(s);
    judge_stream(s);
    s->serves = true;
}

/* ---------------------------------------------------------------- writes */

static uint32_t roll_length(struct dice *d) {
    switch (dice_below(d, 24)) {
    case 0: return 480 + (uint32_t)dice_below(d, 64);
    case 1: return (uint32_t)dice_below(d, 5000);
    case 2: return dice_one_in(d, 3) ? 9000 + (uint32_t)dice_below(d, 9000) : 1000;
    default: return (uint32_t)dice_below(d, 60);
    }
}

static void one_set(struct server *s, int db, struct bytes *resp) {
    model_set(&s->model, db, (int)dice_below(&s->dice, MODEL_KEYS), ++sim.serial,
              roll_length(&s->dice), resp);
}

/* Returns how many commands the unit has. */
static size_t roll_unit(struct server *s, int *db, struct bytes *resp) {
    int key = (int)dice_below(&s->dice, MODEL_KEYS);
    size_t n = 0;

    *db = (int)dice_below(&s->dice, MODEL_DBS);
    switch (dice_below(&s->dice, 16)) {
    case 0:
        if (!s->model.value[*db][key].serial) break;
        model_del(&s->model, *db, key, resp);
        return 1;
    case 1:
    case 2:
        *db = 0;
        model_incr(&s->model, (int)dice_below(&s->dice, MODEL_COUNTERS), resp);
        return 1;
    case 3:
        for (n = 0; n < 2 + dice_below(&s->dice, 3); n++) one_set(s, *db, resp);
        return n;
    case 4:
        if (!dice_one_in(&s->dice, 4)) break;
        model_flush(&s->model, resp);
        one_set(s, *db, resp);
        return 2;
    default: break;
    }
    one_set(s, *db, resp);
    return 1;
}

static void write_unit(struct server *s) {
    struct bytes resp = {0};
    struct unit u = {.level = aof_current_level(s->aof), .logged = false};
    int db;
    size_t n = roll_unit(s, &db, &resp);

    feed_append(&s->stream, s->aof, &(struct aof_unit){bytes_slice(&resp), n, db, db, false},
                model_print(&s->model));
    if (aof_logs(aof_phase(s->aof))) {
        u.position = aof_appended(s->aof);
        u.logged = true;
        if (u.level == AOF_LEVEL_SYNCED) s->owed = u.position;
    }
    u.print = model_print(&s->model);
    journal_add(s->journal, u);
    note("unit %zu: %zu commands, %zu bytes, ends at %llu", s->journal->n, n, resp.n,
         (unsigned long long)u.position);
    bytes_release(&resp);
}

/* ---------------------------------------------------------------- the loop */

/* INFO says that the AOF is on: what was acknowledged during the enabling is promised too. */
static void observe_enabling(struct server *s) {
    struct journal *j = s->journal;
    struct aof_info info;

    if (s->phase == AOF_ENABLING && aof_phase(s->aof) == AOF_ON) s->enabled = j->n;
    s->phase = aof_phase(s->aof);
    aof_get_info(s->aof, &info);
    if (s->told == AOF_ENABLING && info.phase == AOF_ON) {
        if (j->must_kill < s->enabled) j->must_kill = s->enabled;
        if (aof_current_level(s->aof) == AOF_LEVEL_SYNCED && j->must_cut < s->enabled)
            j->must_cut = s->enabled;
    }
    s->told = info.phase;
}

static void observe(struct server *s) {
    struct journal *j = s->journal;
    size_t kill = j->must_kill, cut = j->must_cut;
    enum aof_phase phase = aof_phase(s->aof);

    observe_enabling(s);
    if (phase != AOF_ON && phase != AOF_RECOVERING) return;
    journal_progress(j, aof_safe(s->aof, AOF_LEVEL_WRITTEN), aof_safe(s->aof, AOF_LEVEL_SYNCED));
    if (kill != j->must_kill || cut != j->must_cut)
        note("promised: %zu of %zu units, %zu for a cut", j->must_kill, j->n, j->must_cut);
}

/* Right after a hand-over, as the log goes to a new increment there. */
static void hand_over(struct server *s) {
    aof_hand_over(s->aof);
    if (aof_backup_state(s->aof)->phase == BACKUP_LINKING && s->backup != BACKUP_LINKING)
        s->backup_print = model_print(&s->model);
    s->backup = aof_backup_state(s->aof)->phase;
}

static void watch_backup(struct server *s) {
    const struct aof_backup *b = aof_backup_state(s->aof);

    if (s->backup == BACKUP_LINKING && b->phase == BACKUP_IDLE && !b->failed &&
        sim.nsealed < BACKUPS) {
        struct sealed *new = &sim.sealed[sim.nsealed++];

        snprintf(new->dirname, sizeof new->dirname, "backups/%s", b->last_id);
        new->print = s->backup_print;
        note("sealed: %s", new->dirname);
        note_model("now", &s->model);
    }
    s->backup = b->phase;
}

static void wait(struct server *s, uint64_t ns) {
    uint64_t until = sched_now_ns() + ns;

    if (!s->woken && ns) sched_wait(&s->woken, until);
    clock_refresh();
    if (s->woken) {
        s->woken = false;
        aof_on_wake(s->aof);
    }
    if (sched_now_ns() >= s->cron_ns + CRON_MS * MS) {
        s->cron_ns = sched_now_ns();
        aof_cron(s->aof);
    }
    observe(s);
    watch_backup(s);
}

static uint64_t roll_pause(struct dice *d) {
    static const uint64_t pauses[] = {0, 1000, 50000, 500000, 5 * MS, 5 * MS, 110 * MS, 1300 * MS};

    return pauses[dice_below(d, sizeof pauses / sizeof *pauses)];
}

static bool may_set_policy(const struct life *life) {
    return !life->quiet && !life->always_only;
}

static void set_policy(struct server *s) {
    s->options.policy = (enum aof_fsync)dice_below(&s->dice, 3);
    note("CONFIG SET appendfsync %d", (int)s->options.policy);
    aof_set_options(s->aof, &s->options);
}

static void backup(struct server *s) {
    struct err e;
    int rc;

    if (aof_backup_state(s->aof)->phase != BACKUP_OPEN)
        rc = aof_backup_start(s->aof, "backups", 0, &e);
    else if (dice_one_in(&s->dice, 4))
        rc = aof_backup_abort(s->aof, &e);
    else
        rc = aof_backup_seal(s->aof, &e);
    note("BACKUP: %s", rc < 0 ? e.text : "begins");
}

static void *server_main(void *arg);

static void intrude(struct server *s) {
    struct server *other = &sim.server[s == &sim.server[0]];

    if (other->aof) return;
    note("a second process starts");
    sim.starting++;
    sched_spawn(server_main, other, other->process, "second");
}

static void administer(struct server *s) {
    switch (dice_below(&s->dice, 8)) {
    case 0:
    case 1:
        note("BGREWRITEAOF");
        aof_bgrewrite(s->aof);
        break;
    case 2:
        if (may_set_policy(s->life)) set_policy(s);
        break;
    case 3:
        if (s->life->always_only) break;
        if (aof_phase(s->aof) == AOF_OFF) {
            note("CONFIG SET appendonly yes");
            aof_enable(s->aof);
            feed_tell(&s->stream, s->aof);
        } else if (dice_one_in(&s->dice, 3)) {
            note("CONFIG SET appendonly no");
            aof_disable(s->aof);
        }
        break;
    case 4:
    case 5: backup(s); break;
    default: aof_want_sync(s->aof); break;
    }
}

/* What a replica does after a full sync; the data set that it gets is the one that it has. */
static void replace(struct server *s) {
    struct keyspace ks = {0};
    struct rdb_save o = {.ks = &ks, .checksum = true};
    char name[AOF_NAME_MAX];
    int dirfd = aof_temp_name(s->aof, name), fd, rc = -1;
    struct err e;

    if (dirfd < 0 || s->life->always_only) return;
    keyspace_init(&ks, MODEL_DBS);
    model_fill(&s->model, &ks);
    fd = io_create(dirfd, name, &e);
    if (fd >= 0) rc = rdb_write(&o, fd, NULL, &e);
    io_close(fd);
    keyspace_release(&ks);
    note("full sync: %s", rc < 0 ? e.text : name);
    if (rc < 0) return;
    s->journal->covered = s->journal->n;
    aof_enable_with(s->aof, name);
    feed_replaced(&s->stream, s->aof, model_print(&s->model));
}

static void administer_stream(struct server *s) {
    struct dice *d = &s->stream.dice;

    if (s->life->quiet || !dice_one_in(d, s->life->busy ? 5 : 15)) return;
    if (dice_one_in(d, 4))
        replace(s);
    else
        feed_change(&s->stream, s->aof, model_print(&s->model));
}

static void judge_given(struct server *s) {
    struct dice *d = &s->stream.dice;
    const char *why;

    if (s->life->quiet) return;
    why = given_step(&s->given, s->aof, &s->stream, d);
    if (!why && dice_one_in(d, 5)) why = given_base(&s->given, s->aof, &s->stream);
    if (why) broken("%s", why);
}

static void turn(struct server *s) {
    size_t n = dice_small(&s->dice, 6);

    if (!s->life->quiet && dice_one_in(&s->dice, s->life->busy ? 3 : 10)) administer(s);
    administer_stream(s);
    if (!aof_refusal(s->aof) && !dice_one_in(&s->dice, 5))
        for (size_t i = 0; i < n; i++) write_unit(s);
    if (may_set_policy(s->life) && dice_one_in(&s->dice, 20)) set_policy(s); /* the batch is open */
    if (!aof_may_wait(s->aof) || !aof_is_syncing(s->aof) || dice_one_in(&s->dice, 3)) hand_over(s);
    judge_given(s);
    wait(s, roll_pause(&s->dice));
}

static bool is_well(struct server *s) {
    struct aof_info info;

    if (aof_refusal(s->aof) || aof_phase(s->aof) == AOF_ENABLING) return false;
    aof_get_info(s->aof, &info);
    if (info.rewrite_in_progress || aof_backup_busy(s->aof)) return false;
    if (disk_open_files(s->process) > DESCRIPTORS || sched_count(s->process) > THREADS)
        return false;
    if (aof_phase(s->aof) == AOF_OFF) return true;
    if (aof_safe(s->aof, AOF_LEVEL_SYNCED) < s->owed) return false;
    return !info.writer.write_error && !info.writer.sync_error && info.written == info.appended;
}

static _Noreturn void not_well(struct server *s, uint64_t after) {
    struct aof_info i;

    aof_get_info(s->aof, &i);
    broken("not well after %llu s: %s, phase %d, %zu descriptors, %d threads, rewrite %d, backup "
           "%d, %llu of %llu written, %llu synced of %llu that replies wait for",
           (unsigned long long)(after / MS / 1000), aof_refusal(s->aof), (int)i.phase,
           disk_open_files(s->process), sched_count(s->process), (int)i.rewrite_in_progress,
           (int)aof_backup_busy(s->aof), (unsigned long long)i.written,
           (unsigned long long)i.appended, (unsigned long long)aof_safe(s->aof, AOF_LEVEL_SYNCED),
           (unsigned long long)s->owed);
}

/* Once the disk is well the log must be too, with no more descriptors open than at first. */
static void settle(struct server *s) {
    enum aof_phase phase = aof_phase(s->aof);
    uint64_t began = sched_now_ns(), most;

    if (s->life->heal) s->life->heal();
    while (!is_well(s)) {
        if (phase != aof_phase(s->aof)) began = sched_now_ns();
        phase = aof_phase(s->aof);
        most = phase == AOF_ENABLING ? ENABLE_MS * MS : SETTLE_MS * MS;
        if (sched_now_ns() > began + most) not_well(s, most);
        hand_over(s);
        wait(s, CRON_MS * MS);
    }
    note("the log is well, %zu descriptors are open", disk_open_files(s->process));
}

static void stop(struct server *s) {
    bool on = aof_phase(s->aof) == AOF_ON, ok = aof_stop(s->aof, STOP_MS);

    note("stopped: %s", ok ? "all is durable" : "not all is durable");
    if (on && ok) s->journal->must_kill = s->journal->must_cut = s->journal->n;
}

/* Another process is in the middle of its start: it goes on, and may become the server. */
static void leave_to_other(struct server *s) {
    note("process %d ends while another one starts", s->process);
    sim.winner = 0;
    disk_process_ends(s->process);
    fork_end_all();
    sched_kill(s->process);
}

static void *server_main(void *arg) {
    struct server *s = arg;

    start(s);
    for (int i = 1; i <= s->life->turns; i++) {
        if ((unsigned)i == s->life->intruder_at) intrude(s);
        turn(s);
    }
    given_end(&s->given);
    if (s->life->settle) settle(s);
    if (s->life->end == END_STOPPED) stop(s);
    note("end of the life: %s", sched_end_name[s->life->end]);
    if (sim.starting > 0 && s->life->end != END_CUT) leave_to_other(s);
    sched_stop(s->life->end);
}

/* ---------------------------------------------------------------- a life */

static void server_init(struct server *s, const struct life *life, int i) {
    *s = (struct server){.life = life,
                         .journal = life->journal,
                         .process = life->process + i,
                         .options = life->options,
                         .dice = dice_new(life->seed, 5 + (uint64_t)i),
                         .cron_ns = sched_now_ns()};
}

enum sched_end server_live(struct life *life) {
    enum sched_end end;

    sched_reset(life->seed);
    fork_reset(life->seed, life->faults, take_snapshot);
    sim.winner = 0;
    sim.started = false;
    sim.refusal[0] = '\0';
    sim.after_cut = life->after_cut;
    sim.starting = 1 + life->rival;
    for (int i = 0; i < 2; i++) server_init(&sim.server[i], life, i);
    for (int i = 0; i <= life->rival; i++)
        sched_spawn(server_main, &sim.server[i], sim.server[i].process, i ? "second" : "main");
    end = sched_run();
    for (int i = 0; i < 2; i++) {
        disk_process_ends(sim.server[i].process);
        if (sim.server[i].has_snapshot) keyspace_release(&sim.server[i].snapshot);
    }
    fork_end_all();
    return end;
}
