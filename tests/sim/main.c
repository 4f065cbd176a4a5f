/* SPDX-License-Identifier: BSD-3-Clause
 *
 * main - runs seeds of the campaign, each in the same way every time.
 *
 *   powercut [--seeds N] [--from SEED] [--jobs N] [--seconds N] [--most N]
 *       many seeds; --most: so many failures are printed
 *   powercut --seed SEED [-v]
 *       one; -v prints every call on the disk
 *
 *   --sweep: every call of short programs, in turn
 *   --outage: seeds of one long life on a disk that fills, fails, hangs and heals
 *   --easy names,syncs,tears,order: on a disk that is easier in these ways (disk.h), to find out
 *       what a failure depends on
 *
 * Seeds run in worker processes, some hundreds in each: what a life leaves when it is killed goes
 * with the process, and a crash or a failed CHECK costs one seed. The last line is "N passed, N
 * failed".
 */
#include "campaign.h"
#include "disk.h"

#include "storage/base/clock.h"
#include "storage/base/hash.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SEEDS_PER_WORKER = 200, JOBS_MAX = 64, TEXT = 400, SEED_SECONDS = 60 };

static struct {
    uint64_t from, seeds;
    int jobs;
    unsigned seconds; /* 0: until all seeds are done */
    unsigned most;    /* failures to show */
    unsigned easy;    /* see disk.h */
    bool one, trace;
    bool (*run)(uint64_t seed, bool trace, unsigned easy);
    const char *kind; /* the option that chose `run` */
    const char *program;
} o = {.run = campaign_run, .kind = "", .from = 1, .seeds = 1000, .jobs = 1, .most = 20};

/* Shared with the workers. */
static struct shared {
    _Atomic uint64_t next; /* seeds that are given out */
    _Atomic uint64_t passed, failed;
    struct {
        uint64_t seed;
        bool done;
        char text[TEXT];
    } job[JOBS_MAX];
} * shared;

static double now(void) {
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void prepare(void) {
    static const uint8_t key[16] = "simulated disks";

    mem_thread_init();
    hash_set_key(key);
    log_set_level(o.trace ? LOG_AT_VERBOSE : LOG_AT_NOTHING);
}

static void report(uint64_t seed, const char *why) {
    atomic_fetch_add(&shared->failed, 1);
    if (atomic_load(&shared->failed) > o.most) return;
    printf("FAIL seed %llu: %.600s\n     replay: %s --seed %llu%s -v\n", (unsigned long long)seed,
           why, o.program, (unsigned long long)seed, o.kind);
    fflush(stdout);
}

/* A seed that runs for so long in real time is one that hangs. */
static void on_alarm(int sig) {
    (void)sig;
    abort();
}

static void work(int job, double until) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prepare();
    signal(SIGALRM, on_alarm);
    for (int i = 0; i < SEEDS_PER_WORKER; i++) {
        uint64_t n = atomic_fetch_add(&shared->next, 1), seed = o.from + n;

        if (n >= o.seeds || (o.seconds && now() > until)) return;
        shared->job[job].seed = seed;
        shared->job[job].done = false;
        alarm(SEED_SECONDS);
        if (o.run(seed, false, o.easy))
            atomic_fetch_add(&shared->passed, 1);
        else
            report(seed, campaign_verdict());
        shared->job[job].done = true;
    }
}

static pid_t start_worker(int job, double until) {
    pid_t pid;

    fflush(stdout);
    shared->job[job].done = true;
    pid = fork();
    if (pid < 0) exit(2);
    if (pid > 0) return pid;
    work(job, until);
    fflush(stdout);
    _exit(0);
}

static void run_all(void) {
    double began = now(), until = began + o.seconds, took;
    pid_t pid[JOBS_MAX];
    int running = 0;

    for (int i = 0; i < o.jobs; i++, running++) pid[i] = start_worker(i, until);
    while (running > 0) {
        int status, i = 0;
        pid_t ended = wait(&status);
        bool more = atomic_load(&shared->next) < o.seeds && (!o.seconds || now() < until);

        while (i < o.jobs && pid[i] != ended) i++;
        if (i == o.jobs) continue;
        if (!shared->job[i].done && status) report(shared->job[i].seed, "it crashed, or hung");
        if (more)
            pid[i] = start_worker(i, until);
        else
            running--;
    }
    took = now() - began;
    printf("%.0f seeds a minute\n",
           (double)(shared->passed + shared->failed) * 60 / (took > 0.001 ? took : 0.001));
    printf("%llu passed, %llu failed\n", (unsigned long long)shared->passed,
           (unsigned long long)shared->failed);
}

static void usage(void) {
    fprintf(stderr, "usage: powercut [--seeds N] [--from SEED] [--jobs N] [--seconds N] [--most N] "
                    "[--easy WORDS]\n"
                    "       powercut --seed SEED [-v]\n");
    exit(2);
}

static unsigned parse_easy(const char *words) {
    unsigned easy = 0;

    if (strstr(words, "names")) easy |= EASY_NAMES;
    if (strstr(words, "syncs")) easy |= EASY_SYNCS;
    if (strstr(words, "tears")) easy |= EASY_TEARS;
    if (strstr(words, "order")) easy |= EASY_ORDER;
    return easy;
}

static bool is_flag(const char *word) {
    if (strcmp(word, "-v") == 0)
        o.trace = true;
    else if (strcmp(word, "--outage") == 0)
        o.run = campaign_outage, o.kind = " --outage";
    else if (strcmp(word, "--sweep") == 0)
        o.run = campaign_sweep, o.kind = " --sweep";
    else
        return false;
    return true;
}

static void parse(int argc, char **argv) {
    o.program = argv[0];
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;

        if (is_flag(word)) continue;
        if (!value) usage();
        i++;
        if (strcmp(word, "--seeds") == 0)
            o.seeds = strtoull(value, NULL, 10);
        else if (strcmp(word, "--from") == 0)
            o.from = strtoull(value, NULL, 10);
        else if (strcmp(word, "--jobs") == 0)
            o.jobs = atoi(value);
        else if (strcmp(word, "--seconds") == 0)
            o.seconds = (unsigned)atoi(value);
        else if (strcmp(word, "--most") == 0)
            o.most = (unsigned)atoi(value);
        else if (strcmp(word, "--easy") == 0)
            o.easy = parse_easy(value);
        else if (strcmp(word, "--seed") == 0)
            o.one = true, o.from = strtoull(value, NULL, 10);
        else
            usage();
    }
    if (o.jobs < 1 || o.jobs > JOBS_MAX) usage();
}

int main(int argc, char **argv) {
    parse(argc, argv);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) return 2;
    if (!o.one) {
        run_all();
        return shared->failed || !shared->passed;
    }
    prepare();
    if (o.run(o.from, o.trace, o.easy)) {
        printf("1 passed, 0 failed\n");
        return 0;
    }
    printf("FAIL seed %llu: %s\n0 passed, 1 failed\n", (unsigned long long)o.from,
           campaign_verdict());
    return 1;
}
