/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/save_file.h"

#include "server/exec/blocking.h"
#include "server/exec/file_queue.h"
#include "storage/base/mem.h"

#include <stdio.h>

/* What the blocked client waits for. */
struct saving {
    struct file_job *job;
    const char *error; /* instead of the job's own */
};

static void saving_free(void *arg) {
    struct saving *s = arg;

    file_job_release(s->job);
    mem_free(s);
}

static void error_text(const struct saving *s, const struct err *e, char text[600]) {
    if (s->error)
        snprintf(text, 600, "%s", s->error);
    else
        snprintf(text, 600, "ERR %s", e->text);
}

static bool has_ended(const struct blocked *b) {
    const struct saving *s = b->job;

    return file_job_has_ended(s->job);
}

/* CLIENT UNBLOCK asks for an answer before the end. */
static void answer(struct blocked *b, struct reply *r) {
    const struct saving *s = b->job;
    const struct err *e = NULL;
    char text[600] = "UNBLOCKED the file is still being written";

    if (file_job_has_ended(s->job)) {
        e = file_job_error(s->job);
        if (!e) {
            reply_ok(r);
            return;
        }
        error_text(s, e, text);
    }
    engine_count_error(b->s->e, text);
    reply_error_text(r, text, strlen(text));
}

static int answer_now(struct call *x, struct saving *s) {
    const struct err *e;
    char text[600];
    int rc = 0;

    file_job_wait(s->job);
    e = file_job_error(s->job);
    if (e) {
        error_text(s, e, text);
        rc = reply_errf(x, "%s", text);
    } else {
        reply_ok(&x->r);
    }
    saving_free(s);
    return rc;
}

int save_file(struct call *x, int (*run)(void *arg, struct err *e), void *arg, const char *error) {
    struct blocked b = {.ready = has_ended, .answer = answer, .job_free = saving_free};
    struct saving *s = mem_calloc(sizeof *s);

    s->error = error;
    s->job = file_queue_add(x->e->files, run, arg);
    if (!call_may_wait(x)) return answer_now(x, s);
    b.job = s;
    block_on_progress(x, &b, 0);
    return 0;
}
