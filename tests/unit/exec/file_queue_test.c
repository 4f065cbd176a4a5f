/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Jobs on files: in order, each of them, also if their clients are gone.
 */
#include "server/exec/file_queue.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

enum { JOBS = 100 };

static int order[JOBS];
static atomic_int n, ends;

static void count_end(void *arg) {
    (void)arg;
    atomic_fetch_add(&ends, 1);
}

static int note(void *arg, struct err *e) {
    int i = (int)(intptr_t)arg;

    if (i == 0) usleep(50000); /* so that the others pile up */
    order[atomic_fetch_add(&n, 1)] = i;
    return i == 7 ? err_set(e, EIO, "job %d", i) : 0;
}

static struct file_job *add(struct file_queue *q, int i) {
    return file_queue_add(q, note, (void *)(intptr_t)i);
}

Test(file_queue, jobs_are_carried_out_in_order_also_those_that_were_released) {
    struct file_queue *q = file_queue_new(count_end, NULL);
    struct file_job *jobs[JOBS];

    for (int i = 0; i < JOBS; i++) jobs[i] = add(q, i);
    cr_assert_not(file_job_has_ended(jobs[JOBS - 1]));
    for (int i = 0; i < JOBS; i += 2) file_job_release(jobs[i]);
    file_job_wait(jobs[JOBS - 1]);
    for (int i = 0; i < JOBS; i++) cr_assert_eq(order[i], i);
    for (int i = 1; i < JOBS; i += 2) {
        const struct err *e = file_job_error(jobs[i]);

        cr_assert(file_job_has_ended(jobs[i]));
        cr_assert_eq(e != NULL, i == 7);
        if (e) cr_assert_str_eq(e->text, "job 7");
        file_job_release(jobs[i]);
    }
    file_queue_free(q, 10000);
    cr_assert_eq(atomic_load(&ends), JOBS);
}

Test(file_queue, the_end_waits_for_what_was_begun) {
    struct file_queue *q = file_queue_new(count_end, NULL);

    for (int i = 0; i < 5; i++) file_job_release(add(q, i));
    file_queue_free(q, 10000);
    cr_assert_eq(atomic_load(&n), 5);
}

Test(file_queue, without_jobs_there_is_nothing_to_wait_for) {
    file_queue_free(file_queue_new(count_end, NULL), 0);
    file_queue_free(NULL, 0);
}
