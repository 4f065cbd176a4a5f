/* SPDX-License-Identifier: BSD-3-Clause
 *
 * main - tries programs, each in all orders in which its bytes can fall into turns of the loop.
 *
 *   turns [--programs N] [--seed FIRST] [--orders N] [--seconds N]
 *       many programs; --orders: a program has no more orders than this
 *   turns --seed SEED --programs 1 --order "A2 B1 | T1 | B1"
 *       one order, with the replies
 *
 * The last line is "N passed, N failed": programs. A crash, a failed check of the code or an order
 * that does not end prints the program and the order, and ends the run.
 */
#include "check.h"
#include "disk.h"

#include "storage/base/clock.h"
#include "storage/base/mem.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ORDER_SECONDS = 60, OUTCOMES_MAX = 1 << 16, TEXT = 256 };

struct outcome {
    uint64_t data, replies;
};

static struct {
    uint64_t programs, seed, orders;
    unsigned seconds; /* 0: until all programs are done */
    const char *order;
} o = {.programs = 100, .seed = 1, .orders = 20000};

static struct world world, replica;
static struct program program;
static uint64_t seed_now;
static const struct order *order_now;

/* Of the serial orders. */
static struct outcome outcomes[OUTCOMES_MAX];
static size_t noutcomes;
static uint64_t tried;

static void show_now(void) {
    char text[TEXT] = "";

    if (order_now) order_show(order_now, text, sizeof text);
    printf("  --seed %llu --programs 1 --orders %llu --order \"%s\"\n",
           (unsigned long long)seed_now, (unsigned long long)o.orders, text);
    program_show(&program);
}

static void on_end(int sig) {
    printf("FAIL %s\n", sig == SIGALRM ? "an order does not end" : "a crash");
    show_now();
    printf("0 passed, 1 failed\n");
    fflush(stdout);
    _exit(1);
}

/* ---------------------------------------------------------------- one order */

static const char *run_turns(const struct order *order) {
    const char *no = NULL;

    for (int i = 0; i < order->n && !no;) {
        i = world_turn(&world, &program, order, i);
        no = check_lists(&world);
        if (!no) no = check_waits(&world);
    }
    return no;
}

/* All that waits with a time, or for the end of a pause, has its end. */
static const char *settle(void) {
    const char *no;

    world_wait(&world, 0);
    world_wait(&world, 10000);
    if ((no = world_settle(&world))) return no;
    world_wait(&world, 0);
    if ((no = check_lists(&world)) || (no = check_waits(&world))) return no;
    if ((no = check_progress(&world))) return no;
    if (world.disk && (no = disk_check(&world, &replica))) return no;
    return check_replies(&world, &program);
}

static const char *run_order(const struct order *order, struct outcome *result) {
    const char *no, *last;

    order_now = order;
    alarm(ORDER_SECONDS);
    tried++;
    world_enter(&world, &program);
    no = run_turns(order);
    if (!no) no = world_settle(&world);
    result->data = data_sum(&world);
    if (!no) no = check_replay(&world, &replica);
    if (!no) no = settle();
    result->replies = reply_sum(&world);
    if (o.order) show_replies(&world);
    world_leave(&world);
    last = check_empty(&world);
    alarm(0);
    return no ? no : last;
}

/* ---------------------------------------------------------------- one program */

static size_t find_outcome(const struct outcome *r) {
    size_t at = (r->data ^ r->replies * 31) % OUTCOMES_MAX;

    while (outcomes[at].replies && memcmp(&outcomes[at], r, sizeof *r) != 0)
        at = (at + 1) % OUTCOMES_MAX;
    return at;
}

static bool report(const char *no) {
    printf("FAIL %s\n", no);
    show_now();
    return false;
}

static bool visit_serial(const struct order *order, void *arg) {
    struct outcome r;
    const char *no = run_order(order, &r);
    size_t at;

    (void)arg;
    if (no) return report(no);
    at = find_outcome(&r);
    if (outcomes[at].replies || noutcomes > OUTCOMES_MAX / 2) return true;
    outcomes[at] = r;
    noutcomes++;
    return true;
}

static bool visit(const struct order *order, void *arg) {
    struct outcome r;
    const char *no = run_order(order, &r);

    (void)arg;
    if (no) return report(no);
    if (!program_is_serial(&program) || noutcomes > OUTCOMES_MAX / 2) return true;
    if (outcomes[find_outcome(&r)].replies) return true;
    return report("no serial order has this result");
}

static bool run_program(void) {
    memset(outcomes, 0, sizeof outcomes);
    noutcomes = 0;
    return orders_each(&program, true, visit_serial, NULL) &&
           orders_each(&program, false, visit, NULL);
}

static bool run_one(void) {
    struct outcome r;
    struct order order;
    const char *no;

    program_show(&program);
    if (!order_read(&program, o.order, &order)) return report("that is no order of the program");
    no = run_order(&order, &r);
    printf("  %s\n", no ? no : "all holds");
    return !no;
}

/* ---------------------------------------------------------------- many */

static uint64_t seconds_since(uint64_t began_ns) {
    return (clock_real_ns() - began_ns) / 1000000000;
}

static void usage(void) {
    fprintf(stderr, "usage: turns [--programs N] [--seed FIRST] [--orders N] [--seconds N] "
                    "[--order ORDER]\n");
    exit(2);
}

static void read_options(int argc, char **argv) {
    if (argc % 2 == 0) usage();
    for (int i = 1; i < argc; i += 2) {
        uint64_t n = strtoull(argv[i + 1], NULL, 10);

        if (strcmp(argv[i], "--programs") == 0)
            o.programs = n;
        else if (strcmp(argv[i], "--seed") == 0)
            o.seed = n;
        else if (strcmp(argv[i], "--orders") == 0)
            o.orders = n;
        else if (strcmp(argv[i], "--seconds") == 0)
            o.seconds = (unsigned)n;
        else if (strcmp(argv[i], "--order") == 0)
            o.order = argv[i + 1];
        else
            usage();
    }
}

int main(int argc, char **argv) {
    uint64_t began_ns = clock_real_ns(), passed = 0, failed = 0;

    read_options(argc, argv);
    signal(SIGALRM, on_end);
    signal(SIGABRT, on_end);
    signal(SIGSEGV, on_end);
    world_begin(&world, LOG_NONE);
    world_begin(&replica, LOG_NONE);
    for (uint64_t i = 0; i < o.programs; i++) {
        if (o.seconds && seconds_since(began_ns) >= o.seconds) break;
        seed_now = o.seed + i;
        program_make(&program, seed_now, o.orders);
        (o.order ? run_one() : run_program()) ? passed++ : failed++;
    }
    world_end(&replica);
    world_end(&world);
    printf("%llu programs, %llu orders\n", (unsigned long long)(passed + failed),
           (unsigned long long)tried);
    printf("%llu passed, %llu failed\n", (unsigned long long)passed, (unsigned long long)failed);
    return failed != 0;
}
