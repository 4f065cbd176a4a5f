/* SPDX-License-Identifier: BSD-3-Clause
 *
 * publish - a model of which files the AOF is made of, under `appendfsync always`.
 *
 * One server starts, serves, rewrites, recovers from a failed sync, and ends at any step: its
 * process dies, or the power is cut. One step here is one call on the disk (aof_start.c,
 * aof_files.c, aof_jobs.c, aof_writer.c). A batch is a bit; its number is its position.
 *
 * The disk has two states of everything: what programs see (cached) and what a power cut leaves
 * (durable). A cut keeps any subset of what is pending: contents, names and the manifest
 * independently of each other. A sync that fails writes any subset of what was dirty and calls all
 * of it clean, so that no later sync writes it.
 *
 * What holds after every end (check_loaded):
 * - the start is not refused;
 * - every batch that was acknowledged, or that an earlier start has shown, is loaded;
 * - a batch is loaded only with all that it was appended to: there is no hole.
 *
 * Left out: marks (what they prove is written again here all the same), room, backups, enabling,
 * history that is kept, and failures of any call but a sync.
 *
 * Defects that can be put back with -D stand in model.py.
 */
#ifndef WRITES
#define WRITES 3 /* positions; below 7 */
#endif
#ifndef ENDS
#define ENDS 2 /* deaths and cuts */
#endif
#ifndef FAILS
#define FAILS 1 /* syncs that fail */
#endif
#ifndef REWRITES
#define REWRITES 1 /* begun because of the size */
#endif
#define NI 6 /* numbers of increments: 1 .. NI - 1 */
#define NB 4 /* of bases */

#define HEAD 1 /* bit 0 of an increment: its header */
#define BIT(p) (1 << (p))

/* ---------------------------------------------------------------- the disk */

typedef Increment {
    bool named, named_durably; /* the entry in the directory */
    byte cached, durable;      /* contents: HEAD and batches */
    byte clean;                /* cached and durable differ here, and the kernel does not know */
    byte from;                 /* position that the header says */
    byte cut, past;            /* cut after this batch, and a header that says this position; 0: not */
};
typedef Base {
    bool named, named_durably;
    byte holds, position; /* written and synced before it gets its name */
};
typedef Manifest { byte base, first, last; }; /* base 0: there is none */

Increment in[NI];
Base ba[NB];
Manifest cached, durable;
bool creating, creating_durably; /* the file .creating */
bool dir_made, dir_durable;      /* the directory's own name */
byte torn;                       /* the increment that ends in a part of a batch; 0: none */

/* ---------------------------------------------------------------- promises */

byte promised;      /* batches that have to be loaded */
byte before[WRITES + 1]; /* what a batch was appended to */

/* ---------------------------------------------------------------- the server's memory */

byte memory;       /* what the data set holds */
byte next;         /* position of the next batch */
byte in_flight;    /* a batch whose first part is written; 0: none */
Manifest mine;
byte base_number, incr_number; /* the highest given */
byte cur;          /* the increment that is written */
byte old_first, old_base, old_last;
mtype = { IDLE, S_CREATE, S_SYNC, S_DIR, S_NAME, S_NAMED, S_FORK, S_CHILD, S_HEADER, S_RENAME, S_RENAMED,
          S_PUBLISH, S_PUBLISHED, S_REMOVE_BASE, S_REMOVE_INCRS, S_DONE };
mtype rw = IDLE;
bool recovering, for_recovery;
byte new_incr, new_base, snap, snap_position;
byte switch_to;    /* the writer has to go to it; 0: not */
bool header_synced;
byte doubtful_base, doubtful_incr;

byte ends, fails, rewrites;
bool locked, dying, cut_power, serving, intruded;

#ifdef HEADER_LATE
#define header_late true
#else
#define header_late false
#endif

/* ---------------------------------------------------------------- calls on the disk */

inline sync(f) {
    in[f].durable = (in[f].cached & ~in[f].clean) | (in[f].durable & in[f].clean)
}

/* For each bit that is pending: `to` (durable or not) by chance. */
inline some_pending(f) {
    i = 0;
    do
    :: i <= WRITES ->
        if
        :: ((in[f].cached ^ in[f].durable) & ~in[f].clean & BIT(i)) ->
            in[f].durable = in[f].durable ^ BIT(i)
        :: true
        fi;
        i++
    :: else -> break
    od;
    i = 0
}

inline sync_fails(f) {
    fails++;
    some_pending(f);
    in[f].clean = in[f].clean | (in[f].cached ^ in[f].durable)
}

inline sync_dir() {
    d_step {
        i = 1;
        do
        :: i < NI -> in[i].named_durably = in[i].named; i++
        :: else -> break
        od;
        i = 1;
        do
        :: i < NB -> ba[i].named_durably = ba[i].named; i++
        :: else -> break
        od;
        durable.base = cached.base; durable.first = cached.first; durable.last = cached.last;
        creating_durably = creating;
        i = 0
    }
}

/* A manifest is renamed over one whose own rename may be pending: a cut may find that one too. */
inline rename_manifest() {
    if
    :: true -> durable.base = cached.base; durable.first = cached.first; durable.last = cached.last
    :: true
    fi
}

/* The manifest names base b and increment f only; or, besides what it names, increment f. */
inline name_only(b, f) { rename_manifest(); cached.base = b; cached.first = f; cached.last = f }
inline name_too(f) { rename_manifest(); cached.last = f }

/* An empty file: also one that is there already is made empty. */
inline create(f) {
    in[f].named = true; in[f].cached = 0; in[f].clean = 0;
    in[f].cut = 0; in[f].past = 0; in[f].from = 0
}

inline write_header(f, at) {
    in[f].cached = in[f].cached | HEAD;
    in[f].clean = in[f].clean & ~HEAD;
    in[f].from = at
}

/* The power fails: of what is pending any part is kept. */
inline power_cut() {
    j = 1;
    do
    :: j < NI ->
        if
        :: in[j].named != in[j].named_durably -> in[j].named_durably = in[j].named
        :: true
        fi;
        some_pending(j);
        in[j].named = in[j].named_durably; in[j].cached = in[j].durable; in[j].clean = 0;
        j++
    :: else -> break
    od;
    j = 1;
    do
    :: j < NB ->
        if
        :: ba[j].named != ba[j].named_durably -> ba[j].named_durably = ba[j].named
        :: true
        fi;
        ba[j].named = ba[j].named_durably;
        j++
    :: else -> break
    od;
    j = 0;
    if
    :: true -> durable.base = cached.base; durable.first = cached.first; durable.last = cached.last
    :: true -> cached.base = durable.base; cached.first = durable.first; cached.last = durable.last
    fi;
    if
    :: true -> creating_durably = creating
    :: true -> creating = creating_durably
    fi;
    if
    :: torn -> torn = 0
    :: true
    fi;
    if
    :: dir_made && !dir_durable -> dir_made = false; lose_all()
    :: true -> dir_durable = dir_made
    fi
}

/* The directory itself had no durable name. */
inline lose_all() {
    j = 1;
    do
    :: j < NI ->
        in[j].named = false; in[j].named_durably = false;
        in[j].cached = 0; in[j].durable = 0; in[j].from = 0; in[j].cut = 0; in[j].past = 0;
        j++
    :: else -> break
    od;
    j = 1;
    do
    :: j < NB -> ba[j].named = false; ba[j].named_durably = false; ba[j].holds = 0; j++
    :: else -> break
    od;
    j = 0; torn = 0;
    cached.base = 0; cached.first = 0; cached.last = 0;
    durable.base = 0; durable.first = 0; durable.last = 0;
    creating = false; creating_durably = false
}

/* ---------------------------------------------------------------- the loader */

byte loaded, end, to_cut, cut_after, cut_past;
bool refused, files_there;

/* aof_judge.c: which batches are loaded, whether the files join, which tail is to be cut. */
inline load_increment(f) {
    if
    :: !in[f].named -> refused = true
    :: in[f].named && !(in[f].cached & HEAD) && in[f].cached -> refused = true
    :: in[f].named && !(in[f].cached & HEAD) && !in[f].cached -> /* empty, or lost its header */
    :: in[f].named && (in[f].cached & HEAD) ->
        if
        :: to_cut || in[f].from != end -> refused = true
        :: else ->
            i = end + 1;
            do
            :: i <= WRITES && (in[f].cached & BIT(i)) -> loaded = loaded | BIT(i); end = i; i++
            :: else -> break
            od;
            cut_after = end;
            do
            :: i <= WRITES && (in[f].cached >> i) -> to_cut = f; cut_past = i; i++
            :: else -> break
            od;
            if
            :: torn == f -> to_cut = f; cut_past = (cut_past > end + 1 -> cut_past : end + 1)
            :: else
            fi;
            if
            :: in[f].past && (to_cut == f || in[f].cut != end) -> refused = true
            :: in[f].past && to_cut != f && in[f].cut == end -> end = in[f].past
            :: else
            fi;
            i = 0
        fi
    fi
}

inline load() {
    d_step {
        loaded = 0; end = 0; to_cut = 0; cut_after = 0; cut_past = 0;
        refused = false; files_there = false;
        if
        :: cached.base == 0 ->
            j = 1;
            do
            :: j < NI -> files_there = files_there || in[j].named; j++
            :: else -> break
            od;
            j = 1;
            do
            :: j < NB -> files_there = files_there || ba[j].named; j++
            :: else -> break
            od;
            refused = files_there && !creating
        :: else ->
            refused = !ba[cached.base].named;
            loaded = ba[cached.base].holds;
            end = ba[cached.base].position;
            j = cached.first;
            do
            :: j <= cached.last && !refused -> load_increment(j); j++
            :: else -> break
            od
        fi;
        j = 0
    }
}

inline check_loaded() {
    d_step {
        assert(!refused);
        assert((promised & ~loaded) == 0);
        i = 1;
        do
        :: i <= WRITES ->
            assert(!(loaded & BIT(i)) || (before[i] & ~loaded) == 0);
            i++
        :: else -> break
        od;
        i = 0
    }
}

/* What a mere sync cannot prove is written again: the kernel takes it for changed then. */
inline write_again(f) {
#ifndef NO_REWRITE
    in[f].clean = 0
#else
    skip
#endif
}

/* aof_judge.c, shorten(): the good part is durable, then a header of a new epoch, then the rest
 * goes. */
inline cut_tail() {
    d_step { write_again(to_cut); sync(to_cut) }
    d_step {
        in[to_cut].cut = cut_after; in[to_cut].past = cut_past;
        i = cut_after + 1;
        do
        :: i <= WRITES ->
            in[to_cut].cached = in[to_cut].cached & ~BIT(i); i++
        :: else -> break
        od;
        in[to_cut].clean = in[to_cut].clean & in[to_cut].cached;
        sync(to_cut);
        i = 0; end = cut_past;
        if
        :: torn == to_cut -> torn = 0
        :: else
        fi
    }
}

/* ---------------------------------------------------------------- the start */

/* A sync that the start cannot do without: if it fails the start is refused for now. */
inline sync_or_end(f) {
    if
    :: atomic { true; sync(f) }
    :: atomic { fails < FAILS -> sync_fails(f); goto ended }
    fi
}
inline sync_dir_or_end() {
    if
    :: sync_dir()
    :: atomic { fails < FAILS -> fails++; goto ended }
    fi
}

inline first_start() {
#ifndef NO_CREATION_MARK
    creating = true;
#endif
    sync_dir_or_end();
    atomic { base_number = 1; ba[1].named = true; ba[1].holds = 0; ba[1].position = 0 }
    atomic { create(1); write_header(1, 0) }
    sync_or_end(1);
    sync_dir_or_end();
    atomic { name_only(1, 1) }
    sync_dir_or_end();
    atomic { mine.base = 1; mine.first = 1; mine.last = 1; cur = 1; incr_number = 1 }
    creating = false;
    sync_dir_or_end()
}

/* The log goes on in a new increment, which has its header before the manifest names it. */
inline open_new() {
    incr_number++;
    if
    :: incr_number >= NI -> goto over
    :: else
    fi;
    atomic { create(incr_number); write_header(incr_number, end) }
    sync_or_end(incr_number);
    sync_dir_or_end();
    atomic { name_too(incr_number); mine.last = incr_number }
    sync_dir_or_end();
    cur = incr_number
}

inline settle_files() {
#ifdef NO_SYNC_ALL
    k = mine.last;
#else
    k = mine.first;
#endif
    do
    :: k <= mine.last ->
        /* A header in a later file says that this one was synced before. */
        if
        :: !(k < mine.last && (in[mine.last].cached & HEAD)) -> write_again(k)
        :: else
        fi;
        sync_or_end(k);
        k++
    :: else -> break
    od;
    k = 0
}

inline start_up() {
    dir_made = true;
#ifndef NO_PARENT_SYNC
    dir_durable = true;
#endif
#ifndef LOCK_LATE
    atomic { !locked -> locked = true }
#endif
    atomic { load(); check_loaded() }
    if
    :: ends == ENDS -> goto over
    :: else
    fi;
    if
    :: to_cut -> cut_tail()
    :: else
    fi;
#ifdef LOCK_LATE
    atomic { !locked -> locked = true }
#endif
#ifndef NO_DIR_SYNC
    sync_dir_or_end();
#endif
    if
    :: cached.base == 0 -> first_start()
    :: else ->
        if
        :: creating -> creating = false; sync_dir_or_end()
        :: else
        fi;
        atomic {
            mine.base = cached.base; mine.first = cached.first; mine.last = cached.last;
            base_number = mine.base; incr_number = mine.last
        }
        settle_files();
        if
        :: in[mine.last].past -> open_new() /* nothing is appended after a cut */
        :: else -> cur = mine.last
        fi
    fi;
    d_step {
        memory = loaded; promised = promised | loaded; next = end + 1;
        header_synced = (in[cur].cached & HEAD) != 0;
        loaded = 0; end = 0; to_cut = 0; cut_after = 0; cut_past = 0;
        serving = true
    }
}

/* ---------------------------------------------------------------- serving */

inline fail_writer(f) {
    sync_fails(f);
    recovering = true; switch_to = 0;
    next = (in_flight -> in_flight + 1 : next); /* it is in memory, and will be in the base */
    in_flight = 0;
    if
    :: rw == S_FORK || rw == S_CHILD -> rw = IDLE
    :: else
    fi
}

inline give_up() {
    rw = IDLE; for_recovery = false; snap = 0; snap_position = 0
}

/* What a failed attempt made may be named on the disk: it stays, and its numbers are not used
 * again. */
inline publish_failed() {
    fails++;
#ifdef UNLINK_DOUBTFUL
    ba[new_base].named = false;
#else
    doubtful_base = new_base;
    doubtful_incr = (for_recovery -> new_incr : 0);
#endif
    give_up()
}

inline serve() {
    do
    /* the writer: header, batches in two parts, syncs, the switch */
    :: atomic { !recovering && !switch_to && !(in[cur].cached & HEAD) && next <= WRITES ->
           write_header(cur, next - 1); header_synced = false }
    :: atomic { !recovering && !switch_to && !header_synced && (in[cur].cached & HEAD) ->
           if
           :: true -> sync(cur); header_synced = true
           :: fails < FAILS -> fail_writer(cur)
           fi }
    :: atomic { !recovering && !switch_to && !in_flight && next <= WRITES && (in[cur].cached & HEAD) &&
           (header_synced || header_late) -> torn = cur; in_flight = next; before[next] = memory; memory = memory | BIT(next) }
    :: d_step { !recovering && in_flight ->
           if
           :: torn == cur -> in[cur].cached = in[cur].cached | BIT(in_flight); torn = 0
           :: else /* its first part was cut off */
           fi;
           next = in_flight + 1; in_flight = 0 }
    :: atomic { !recovering && !in_flight && !switch_to && (promised != memory) ->
           if
           :: true -> sync(cur); promised = promised | memory; header_synced = true
           :: fails < FAILS -> fail_writer(cur)
           fi }
    :: atomic { !recovering && switch_to && !in_flight ->
           if
           :: true ->
#ifndef NO_SWITCH_SYNC
               sync(cur);
#endif
               promised = promised | memory;
               cur = switch_to; switch_to = 0; header_synced = false;
               write_header(cur, next - 1)
           :: fails < FAILS -> fail_writer(cur)
           fi }

    /* a rewrite begins; a recovery does when nothing else is under way */
    :: atomic { rw == IDLE && !recovering && rewrites < REWRITES && incr_number < NI - 2 ->
           rewrites++; rw = S_CREATE; for_recovery = false }
    :: atomic { rw == IDLE && recovering && incr_number < NI - 1 ->
           rw = S_CREATE; for_recovery = true }

    /* PREPARE */
    :: atomic { rw == S_CREATE -> incr_number++; new_incr = incr_number; create(new_incr); rw = S_SYNC }
    :: atomic { rw == S_SYNC ->
           if
           :: true -> sync(new_incr); rw = S_DIR
           :: fails < FAILS -> sync_fails(new_incr); in[new_incr].named = false; incr_number--; give_up()
           fi }
    :: atomic { rw == S_DIR -> sync_dir(); rw = (for_recovery -> S_FORK : S_NAME) }
    :: atomic { rw == S_NAME ->
           name_too(new_incr); mine.last = new_incr; rw = S_NAMED }
    :: atomic { rw == S_NAMED ->
           if
           :: true -> sync_dir(); rw = S_FORK
           :: fails < FAILS -> fails++; give_up()
           fi }

    /* FORK: the snapshot; the writer is told to go to the new increment */
    :: atomic { rw == S_FORK && !in_flight && !switch_to && (for_recovery == recovering) &&
           (for_recovery || header_synced || !(in[cur].cached & HEAD)) ->
           snap = memory; snap_position = next - 1; rw = S_CHILD;
           switch_to = (for_recovery -> 0 : new_incr) }

    /* the child has written and synced a temporary base; PUBLISH */
    :: atomic { rw == S_CHILD -> rw = (for_recovery -> S_HEADER : S_RENAME) }
    :: atomic { rw == S_HEADER ->
           if
           :: true -> write_header(new_incr, snap_position); sync(new_incr); rw = S_RENAME
           :: fails < FAILS -> sync_fails(new_incr); in[new_incr].named = false; give_up()
           fi }
    :: atomic { rw == S_RENAME && base_number < NB - 1 ->
           base_number++; new_base = base_number;
           ba[new_base].named = true; ba[new_base].holds = snap; ba[new_base].position = snap_position;
           rw = S_RENAMED }
    :: atomic { rw == S_RENAMED ->
           if
           :: true -> sync_dir(); rw = S_PUBLISH
           :: fails < FAILS -> publish_failed()
           fi }
    :: atomic { rw == S_PUBLISH ->
           old_base = mine.base; old_first = mine.first; old_last = mine.last;
           name_only(new_base, new_incr); rw = S_PUBLISHED }
    :: atomic { rw == S_PUBLISHED ->
           if
           :: true -> sync_dir(); rw = S_REMOVE_BASE
           :: fails < FAILS -> publish_failed()
           fi }

    /* nothing durable names these any more */
    :: atomic { rw == S_REMOVE_BASE ->
           mine.base = new_base; mine.first = new_incr; mine.last = new_incr;
           ba[old_base].named = false; ba[doubtful_base].named = false;
           in[doubtful_incr].named = false; doubtful_base = 0; doubtful_incr = 0;
           rw = S_REMOVE_INCRS }
    :: atomic { rw == S_REMOVE_INCRS ->
           i = old_first;
           do
           :: i <= old_last && i != new_incr -> in[i].named = false; i++
           :: else -> break
           od;
           i = 0; old_base = 0; old_first = 0; old_last = 0; rw = S_DONE }
    :: atomic { rw == S_DONE ->
           if
           :: for_recovery ->
               cur = new_incr; recovering = false; header_synced = true;
               promised = promised | snap
           :: else
           fi;
           give_up() }
    od
}

inline forget() {
    memory = 0; next = 0; in_flight = 0; base_number = 0; incr_number = 0; cur = 0;
    mine.base = 0; mine.first = 0; mine.last = 0;
    old_base = 0; old_first = 0; old_last = 0; rw = IDLE; recovering = false; for_recovery = false;
    new_incr = 0; new_base = 0; snap = 0; snap_position = 0; switch_to = 0; header_synced = false;
    doubtful_base = 0; doubtful_incr = 0; loaded = 0; end = 0; to_cut = 0; cut_after = 0; cut_past = 0;
    refused = false; files_there = false;
    serving = false; locked = false; dying = false; i = 0; j = 0; k = 0
}

active proctype server() {
    byte i, j, k;

life:
    { start_up(); serve() } unless { dying };
ended:
    atomic {
        if
        :: cut_power -> cut_power = false; power_cut()
        :: else
        fi;
        forget();
        goto life
    }
over:
    skip
}

/* Ends the server at any step. */
active proctype end_it() {
    do
    :: atomic { ends < ENDS && !dying -> ends++; dying = true;
           if
           :: true -> cut_power = true
           :: true
           fi }
    od
}

#ifndef NO_INTRUDER
/* A second server is started on the directory while the first serves. Only the lock keeps it from
 * cutting off what it takes for a torn tail. */
active proctype intruder() {
#ifdef LOCK_LATE
    atomic { serving && torn && !dying -> torn = 0; intruded = true }
#else
    atomic { serving && torn && !dying && !locked -> torn = 0; intruded = true }
#endif
}
#endif
