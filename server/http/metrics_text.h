/* SPDX-License-Identifier: BSD-3-Clause
 *
 * metrics_text - writes Prometheus' text format 0.0.4 or OpenMetrics 1.0.
 *
 * A family is metric_family(), then all its samples. A sample is metric_name(), its labels, and
 * one of the values. The names and labels of samples are the same in both forms. OpenMetrics has
 * rules for names that redis_exporter does not keep (a counter without "_total", a quantile above
 * 1): such a family has the type "unknown" there.
 */
#ifndef STET_HTTP_METRICS_TEXT_H
#define STET_HTTP_METRICS_TEXT_H

#include "storage/base/bytes.h"

#include <stdint.h>

struct aof_histogram;

enum metric_type { M_COUNTER, M_GAUGE, M_HISTOGRAM, M_SUMMARY, M_UNKNOWN };

struct metrics {
    struct bytes text;
    bool openmetrics;
    bool labelled; /* the sample under way has a label */
};

void metric_family(struct metrics *m, const char *name, enum metric_type type, const char *help);

/* `suffix` may be "". */
void metric_name(struct metrics *m, const char *name, const char *suffix);
void metric_label(struct metrics *m, const char *label, struct slice value);

void metric_text(struct metrics *m, struct slice value); /* a number as text */
void metric_int(struct metrics *m, int64_t value);
void metric_us(struct metrics *m, uint64_t us); /* as seconds */
void metric_milli(struct metrics *m, uint64_t thousandths);
void metric_double(struct metrics *m, double value);

/* A family with one sample that has no label. */
void metric_one(struct metrics *m, const char *name, enum metric_type type, const char *help,
                int64_t value);

/* The upper bound of a histogram's bucket, as a label. OpenMetrics wants a point in it. */
enum { METRIC_BOUND_MAX = 40 };
void metric_bound(char text[METRIC_BOUND_MAX], const struct metrics *m, double le);

/* A family: a histogram in seconds. */
void metric_histogram(struct metrics *m, const char *name, const char *help,
                      const struct aof_histogram *h);

/* The last line of OpenMetrics. */
void metric_end(struct metrics *m);

#endif
