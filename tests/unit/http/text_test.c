/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The two writers: metrics and JSON.
 */
#include "persistence/aof_writer.h"
#include "server/http/json.h"
#include "server/http/metrics_text.h"

#include <criterion/criterion.h>

static struct metrics m;
static struct bytes out;

static void says(struct bytes *b, const char *expected) {
    cr_assert_str_eq(bytes_cstr(b), expected);
    bytes_release(b);
}

Test(metrics, the_family_of_a_counter_has_no_total_in_openmetrics) {
    m.openmetrics = true;
    metric_one(&m, "a_total", M_COUNTER, "A.", 1);
    metric_one(&m, "b", M_COUNTER, "B.", 2);
    metric_end(&m);
    says(&m.text, "# HELP a A.\n# TYPE a counter\na_total 1\n"
                  "# HELP b B.\n# TYPE b unknown\nb 2\n# EOF\n");
}

Test(metrics, a_counter_keeps_its_name_in_the_plain_form) {
    metric_one(&m, "a_total", M_COUNTER, "A.", 1);
    metric_one(&m, "u", M_UNKNOWN, "U.", -1);
    metric_end(&m);
    says(&m.text, "# HELP a_total A.\n# TYPE a_total counter\na_total 1\n"
                  "# HELP u U.\n# TYPE u untyped\nu -1\n");
}

Test(metrics, labels_are_escaped_and_stay_different) {
    metric_name(&m, "x", "_sum");
    metric_label(&m, "a", SLICE("q\"b\\n\n\xff"));
    metric_label(&m, "b", SLICE("\\xff"));
    metric_int(&m, 0);
    says(&m.text, "x_sum{a=\"q\\\"b\\\\n\\\\x0a\\\\xff\",b=\"\\\\xff\"} 0\n");
}

Test(metrics, decimals_are_exact) {
    metric_name(&m, "x", "");
    metric_us(&m, 1000001);
    metric_name(&m, "x", "");
    metric_us(&m, 7);
    metric_name(&m, "x", "");
    metric_milli(&m, 16384);
    says(&m.text, "x 1.000001\nx 0.000007\nx 16.384\n");
}

Test(metrics, bounds_have_a_point_in_openmetrics) {
    char text[METRIC_BOUND_MAX];

    metric_bound(text, &m, 1024);
    cr_assert_str_eq(text, "1024");
    m.openmetrics = true;
    metric_bound(text, &m, 1024);
    cr_assert_str_eq(text, "1024.0");
    metric_bound(text, &m, 0.5);
    cr_assert_str_eq(text, "0.5");
}

Test(metrics, a_histogram_counts_what_is_below) {
    struct aof_histogram h = {0};

    aof_histogram_add(&h, 1);
    aof_histogram_add(&h, 3);
    aof_histogram_add(&h, UINT64_C(1) << 40); /* beyond the last bound */
    metric_histogram(&m, "x", "X.", &h);
    bytes_cstr(&m.text);
    cr_assert(strstr(m.text.p, "x_bucket{le=\"1e-06\"} 0\nx_bucket{le=\"2e-06\"} 1\n"
                               "x_bucket{le=\"4e-06\"} 2\n"));
    cr_assert(strstr(m.text.p, "x_bucket{le=\"67.108864\"} 2\nx_bucket{le=\"+Inf\"} 3\n"));
    cr_assert(strstr(m.text.p, "x_count 3\n"));
    bytes_release(&m.text);
}

Test(json, commas_come_by_themselves) {
    json_open(&out, NULL, '{');
    json_int(&out, "a", -1);
    json_open(&out, "b", '[');
    json_close(&out, ']');
    json_open(&out, "c", '[');
    json_int(&out, NULL, 1);
    json_open(&out, NULL, '{');
    json_close(&out, '}');
    json_close(&out, ']');
    json_micro(&out, "d", 1.5);
    json_close(&out, '}');
    says(&out, "{\"a\":-1,\"b\":[],\"c\":[1,{}],\"d\":1.50}");
}

Test(json, strings_are_ascii) {
    json_open(&out, NULL, '[');
    json_string(&out, NULL, SLICE("a\"\\/\n\xc3\xa9"));
    json_string(&out, NULL, SLICE("{"));
    json_string(&out, NULL, SLICE(""));
    json_close(&out, ']');
    says(&out, "[\"a\\\"\\\\/\\\\x0a\\\\xc3\\\\xa9\",\"{\",\"\"]");
}
