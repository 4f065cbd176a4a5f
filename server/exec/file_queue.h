/* SPDX-License-Identifier: BSD-3-Clause
 *
 * file_queue - jobs on the operator's files (configuration, users), in order, on one thread.
 *
 * CONFIG REWRITE and ACL SAVE put down on the main thread what is to be written, and the thread
 * writes it: the event loop does not wait for the disk. Jobs are carried out in the order in which
 * they were added, one at a time, each of them, also if its client is gone.
 */
#ifndef STET_EXEC_FILE_QUEUE_H
#define STET_EXEC_FILE_QUEUE_H

#include "storage/base/err.h"

#include <stdbool.h>

struct file_queue;
struct file_job;

/* `ended` is called on the thread after each job. The thread begins with the first job. */
struct file_queue *file_queue_new(void (*ended)(void *arg), void *arg);

/* Waits until all jobs have ended, deadline_ms at the most. No job may be held any more. */
void file_queue_free(struct file_queue *q, int deadline_ms);

/* `run` frees `arg`. The job is the caller's to release. */
struct file_job *file_queue_add(struct file_queue *q, int (*run)(void *arg, struct err *e),
                                void *arg);

bool file_job_has_ended(const struct file_job *job);

/* Waits for the disk. */
void file_job_wait(struct file_job *job);

/* Of a job that has ended: NULL if it went well. Until the job is released. */
const struct err *file_job_error(const struct file_job *job);

/* The job goes on without its caller. `job` is a struct file_job. */
void file_job_release(void *job);

#endif
