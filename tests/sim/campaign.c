/* SPDX-License-Identifier: BSD-3-Clause */
#include "campaign.h"

#include "damage.h"
#include "disk.h"
#include "faults.h"
#include "fork.h"
#include "server.h"
#include "storage/base/io.h"
#include "storage/base/rng.h"
#include "wraps.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct {
    struct dice dice;
    struct journal journal;
    struct plan plan;
    struct aof_options options;
    bool trace, with_faults, after_cut, cut_is_due;
    bool plain; /* aof-checksum no: files of Redis' format, which only process deaths spare */
    bool mixed; /* some lives are plain */
    bool bare;  /* no start has made durable yet what plain lives have written */
    int lives;
    const char *special;
    unsigned easy;
    uint64_t seed, sync_ns;
    char verdict[3000];
} c;

const char *campaign_verdict(void) {
    return c.verdict;
}

static bool fail(const char *what, const char *detail) {
    snprintf(c.verdict, sizeof c.verdict, "life %d%s%s: %s%s", c.lives, c.special ? " " : "",
             c.special ? c.special : "", what, detail);
    if (c.trace) printf("RULE BROKEN: %s\n", c.verdict);
    return false;
}

static struct disk_verdict judge(void *arg, enum io_op op, size_t n) {
    struct disk_verdict v = fork_judge();

    (void)arg;
    if (v.fate || !c.with_faults) return v;
    return plan_judge(&c.plan, op, n);
}

/* ---------------------------------------------------------------- the power */

static struct disk_cut roll_cut(struct dice *d) {
    static const unsigned percent[] = {0, 0, 10, 50, 90, 100, 100};
    enum { N = sizeof percent / sizeof *percent };
    struct disk_cut cut = {.ordered = dice_one_in(d, 3)};

    cut.data = percent[dice_below(d, N)];
    cut.size = percent[dice_below(d, N)];
    cut.names = percent[dice_below(d, N)];
    cut.torn = dice_one_in(d, 2) ? 0 : percent[dice_below(d, N)];
    return cut;
}

static void power_cut(void) {
    struct disk_cut cut = roll_cut(&c.dice);

    if (c.trace)
        printf("POWER CUT: %s, keeps %u%% of sectors (%u%% torn), %u%% of sizes, %u%% of names\n",
               cut.ordered ? "in order" : "in any order", cut.data, cut.torn, cut.size, cut.names);
    disk_power_cut(&cut);
    c.after_cut = true;
}

/* A page that a failed sync called clean may leave the cache at any time. So a disk that fails can
 * take what was only written, and nothing that was synced. */
static void evict(void) {
    if (c.trace) printf("PAGES LEAVE THE CACHE\n");
    disk_evict();
    c.after_cut = true;
}

/* ---------------------------------------------------------------- lives */

static enum aof_fsync roll_policy(struct dice *d) {
    unsigned kind = (unsigned)dice_below(d, 10);

    return kind < 6 ? AOF_FSYNC_ALWAYS : kind < 9 ? AOF_FSYNC_EVERYSEC : AOF_FSYNC_NO;
}

static void roll_options(struct dice *d) {
    c.options = (struct aof_options){
        .names = {".", "adir", "log", "dump.rdb"},
        .policy = roll_policy(d),
        .checksum = !c.plain,
        .load_truncated = true,
        .rdb_preamble = dice_one_in(d, 2),
        .timestamps = dice_one_in(d, 4),
        .rewrite_incremental_fsync = dice_one_in(d, 2),
        .no_fsync_on_rewrite = dice_one_in(d, 4),
        .auto_percentage = dice_one_in(d, 3) ? 100 : 0,
        .auto_min_size = 2000,
    };
}

static enum sched_end roll_end(struct dice *d) {
    static const enum sched_end ends[] = {END_KILLED, END_CUT, END_STOPPED, END_KILLED, END_CUT};

    return ends[dice_below(d, sizeof ends / sizeof *ends)];
}

static void set_disk(void) {
    struct disk_options o = {
        .easy = c.easy, .sync_ns = c.sync_ns, .write_ns = 20000, .trace = c.trace, .judge = judge};

    disk_set_options(&o);
}

static struct life roll_life(struct dice *d) {
    struct life life = {
        .turns = (int)dice_small(d, 60),
        .end = roll_end(d),
        .always_only = dice_one_in(d, 2),
        .quiet = dice_one_in(d, 4),
        .settle = dice_one_in(d, 3),
        .faults = dice_one_in(d, 4) ? false : true,
        .rival = dice_one_in(d, 16),
    };

    if (c.plain && life.end == END_CUT) life.end = END_KILLED;
    if (life.always_only) c.options.policy = AOF_FSYNC_ALWAYS;
    if (dice_one_in(d, 12)) life.intruder_at = 1 + (unsigned)dice_below(d, 10);
    if (dice_one_in(d, 24)) life.intruder_at = (unsigned)life.turns;
    return life;
}

static void show_life(const struct life *life) {
    if (!c.trace) return;
    printf("\nLIFE %d: policy %d, %d turns, then %s%s%s%s%s\n", c.lives, (int)c.options.policy,
           life->turns, life->settle ? "recovery, " : "", sched_end_name[life->end],
           life->quiet ? ", no administration" : "", life->rival ? ", with a rival" : "",
           life->intruder_at ? ", with an intruder" : "");
    if (life->faults) plan_show(&c.plan);
}

static bool judge_end(const struct life *life, enum sched_end end) {
    if (end == END_FAILED) return fail(server_verdict(), "");
    if (disk_complaint()) return fail(disk_complaint(), "");
    if (end == END_DEADLOCK || end == END_ENDLESS)
        return fail("the server ", end == END_DEADLOCK ? "stands still" : "never ends");
    if (end != END_REFUSED || c.plan.fired || life->rival || life->damaged) return true;
    return fail("the start is refused: ", server_refusal());
}

static bool live(struct life *life) {
    enum sched_end end;

    c.lives++;
    life->process = FIRST_PROCESS + 2 * c.lives;
    life->seed = c.seed * 1000 + (uint64_t)c.lives;
    life->after_cut = c.after_cut;
    life->options = c.options;
    life->journal = &c.journal;
    c.special = life->special;
    c.with_faults = life->faults;
    if (!life->given) c.plan = (struct plan){0};
    if (life->outages)
        plan_outages(&c.plan, &c.dice);
    else if (life->faults && !life->given)
        plan_roll(&c.plan, &c.dice);
    if (c.plain || c.bare) plan_spare_power(&c.plan);
    set_disk();
    show_life(life);
    end = server_live(life);
    if (c.trace) printf("LIFE %d ended: %s\n", c.lives, sched_end_name[end]);
    if (server_started()) c.after_cut = c.bare = false;
    if (c.plain) c.bare = true;
    if (!judge_end(life, end)) return false;
    if (end == END_CUT) c.cut_is_due = !c.bare;
    return true;
}

/* What happens before the next one starts. */
static void between_lives(void) {
    if (c.bare) return;
    if (c.cut_is_due || dice_one_in(&c.dice, 4))
        power_cut();
    else if (dice_one_in(&c.dice, 8))
        evict();
    c.cut_is_due = false;
}

/* Starts on a disk that is well, writes, and ends as told. */
static bool live_well(enum sched_end end, int turns) {
    struct life life = {
        .turns = turns, .end = end, .always_only = true, .quiet = true, .settle = true};

    c.options.policy = AOF_FSYNC_ALWAYS;
    if (!live(&life)) return false;
    between_lives();
    return true;
}

/* ---------------------------------------------------------------- on a copy of the disk */

static struct {
    struct disk *disk;
    struct journal journal;
    bool after_cut;
} kept;

static void keep(void) {
    kept.disk = disk_save();
    journal_copy(&kept.journal, &c.journal);
    kept.after_cut = c.after_cut;
}

static void go_back(void) {
    if (c.trace) printf("\nBACK to where the disk was copied\n");
    disk_restore(kept.disk);
    journal_release(&c.journal);
    c.journal = kept.journal;
    c.after_cut = kept.after_cut;
}

static bool start_and_die(struct life life) {
    life.end = END_KILLED;
    life.always_only = life.quiet = true;
    return live(&life);
}

/* What another end of the same moment would have left. */
static bool try_another_cut(void) {
    bool ok;

    keep();
    power_cut();
    ok = start_and_die((struct life){.turns = 2, .special = "(another cut)"});
    if (ok) go_back();
    return ok;
}

/* Refused, or loaded without a loss: both are right. */
static bool try_damage(void) {
    bool ok = true;

    keep();
    if (damage_generations(&c.dice, c.trace))
        ok = start_and_die((struct life){.damaged = true, .special = "(damaged)"});
    if (ok) go_back();
    return ok;
}

/* The backup holds what it held when it was sealed; the log does, whatever is done with the backup;
 * and the backup does, whatever is done with what was restored from it. */
static bool try_backup(const struct sealed *b) {
    struct unit unit = {.print = b->print, .logged = true};
    struct journal log = c.journal, alone = {.unit = &unit, .cap = 64};
    struct life restored = {.turns = 6, .restore_from = b->dirname, .special = "(restored)"};
    bool ok;

    journal_copy(&c.journal, &alone);
    c.options.names.dirname = "restored";
    ok = start_and_die(restored);
    journal_release(&c.journal);
    journal_copy(&c.journal, &alone);
    c.options.names.dirname = b->dirname;
    ok = ok && start_and_die((struct life){.turns = 6, .special = "(backup in place)"});
    journal_release(&c.journal);
    c.journal = log;
    c.options.names.dirname = "adir";
    return ok && start_and_die((struct life){.turns = 0, .special = "(log beside backup)"});
}

static bool try_backups(void) {
    const struct sealed *list;
    size_t n = server_backups(&list);

    for (size_t i = 0; i < n; i++) {
        keep();
        if (!try_backup(&list[i])) return false;
        go_back();
    }
    return true;
}

static bool try_copies(void) {
    if (c.bare) return true;
    if (dice_one_in(&c.dice, 4) && !try_another_cut()) return false;
    between_lives();
    return c.mixed || !dice_one_in(&c.dice, 8) ||
           try_damage(); /* plain files do not say their place */
}

static bool run(void) {
    int lives = 1 + (int)dice_below(&c.dice, 4);

    c.plain = dice_one_in(&c.dice, 12);
    c.mixed = dice_one_in(&c.dice, 8); /* aof-checksum changes, or the files were Redis' */

    while (lives-- > 0) {
        struct life life;

        if (c.mixed) c.plain = dice_one_in(&c.dice, 2);
        roll_options(&c.dice);
        life = roll_life(&c.dice);
        if (dice_one_in(&c.dice, life.rival || life.intruder_at ? 2 : 10)) damage_remove_lock();
        if (!live(&life)) return false;
        damage_watch();
        if (!try_copies()) return false;
    }
    if (c.mixed) {
        c.plain = false;
        c.options.checksum = true;
    }
    return live_well(END_CUT, 6) && live_well(END_STOPPED, 2) && try_backups() &&
           live_well(END_KILLED, 1);
}

static void heal(void) {
    if (c.trace) printf("THE DISK HEALS\n");
    plan_heal(&c.plan);
    fork_heal();
}

static bool run_outage(void) {
    struct life life = {.turns = 500 + (int)dice_below(&c.dice, 4000),
                        .end = roll_end(&c.dice),
                        .always_only = dice_one_in(&c.dice, 2),
                        .settle = true,
                        .faults = true,
                        .outages = true,
                        .heal = heal};

    roll_options(&c.dice);
    if (!live_well(END_STOPPED, 1)) return false;
    roll_options(&c.dice);
    if (!live(&life)) return false;
    between_lives();
    return live_well(END_CUT, 6) && try_backups() && live_well(END_KILLED, 1);
}

/* ---------------------------------------------------------------- every call in turn */

enum { SWEEP_CALLS = 160, SWEEP_KINDS = 8 };

/* A fault at one call of a short program, and how the program ends after it. */
static enum sched_end set_fault(struct fault *f, unsigned kind) {
    static const struct {
        struct fault fault;
        enum sched_end end;
    } kinds[SWEEP_KINDS] = {
        {{.fate = FATE_KILL}, END_KILLED},
        {{.fate = FATE_CUT}, END_CUT},
        {{.fate = FATE_ERROR, .code = EIO, .calls = 1}, END_KILLED},
        {{.fate = FATE_ERROR, .code = EIO, .calls = 1}, END_STOPPED},
        {{.fate = FATE_ERROR, .code = ENOSPC, .calls = 1, .part = 40}, END_KILLED},
        {{.fate = FATE_ERROR, .code = EIO, .calls = 5}, END_STOPPED},
        {{.delay_ns = 4000000000}, END_KILLED},
        {{.delay_ns = 200000000000}, END_CUT},
    };
    uint64_t at = f->at;

    *f = kinds[kind].fault;
    f->at = at;
    f->op = ANY_OP;
    return kinds[kind].end;
}

/* The seed is a program, a call, and what goes wrong there. */
static bool run_sweep(void) {
    uint64_t n = c.seed;
    struct life life = {.faults = true, .given = true};
    unsigned kind = (unsigned)(n % SWEEP_KINDS);
    struct fault fault = {.at = 1 + n / SWEEP_KINDS % SWEEP_CALLS};

    c.seed = n / SWEEP_KINDS / SWEEP_CALLS;
    c.dice = dice_new(c.seed, 14);
    roll_options(&c.dice);
    life.turns = 2 + (int)dice_below(&c.dice, 14);
    life.busy = dice_one_in(&c.dice, 2);
    life.always_only = dice_one_in(&c.dice, 2);
    life.end = set_fault(&fault, kind);
    c.plan = (struct plan){.fault = {fault}, .n = 1};
    if (!live(&life)) return false;
    c.dice = dice_new(n, 15); /* what follows differs for each of them */
    between_lives();
    return live_well(END_CUT, 4) && try_backups() && live_well(END_KILLED, 1);
}

static bool begin_seed(uint64_t seed, bool trace, unsigned easy, bool (*what)(void)) {
    bool ok;

    c.dice = dice_new(seed, 0);
    c.seed = seed;
    c.trace = trace;
    c.easy = easy;
    c.after_cut = c.cut_is_due = c.plain = c.mixed = c.bare = false;
    c.lives = 0;
    c.verdict[0] = '\0';
    c.sync_ns = dice_one_in(&c.dice, 3) ? 20000000 : 500000;
    sched_reset_time();
    wraps_reset(seed);
    rng_seed(seed);
    server_reset(trace);
    disk_reset(seed);
    damage_reset();
    journal_init(&c.journal);
    io_use(&disk_backend);
    ok = what();
    journal_release(&c.journal);
    return ok;
}

bool campaign_run(uint64_t seed, bool trace, unsigned easy) {
    return begin_seed(seed, trace, easy, run);
}

bool campaign_sweep(uint64_t seed, bool trace, unsigned easy) {
    return begin_seed(seed, trace, easy, run_sweep);
}

bool campaign_outage(uint64_t seed, bool trace, unsigned easy) {
    return begin_seed(seed, trace, easy, run_outage);
}
