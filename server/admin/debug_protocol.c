/* SPDX-License-Identifier: BSD-3-Clause
 *
 * debug_protocol - DEBUG PROTOCOL: one reply of each type, for trying out client libraries.
 */
#include "server/admin/debug.h"

static int send_string(struct call *x) {
    reply_bulk_str(&x->r, "Hello World");
    return 0;
}

static int send_integer(struct call *x) {
    reply_int(&x->r, 12345);
    return 0;
}

static int send_double(struct call *x) {
    reply_double(&x->r, 3.141);
    return 0;
}

static int send_bignum(struct call *x) {
    reply_bignum(&x->r, "1234567999999999999999999999999999999");
    return 0;
}

static int send_null(struct call *x) {
    reply_null(&x->r);
    return 0;
}

static int send_array(struct call *x) {
    reply_array(&x->r, 3);
    for (int i = 0; i < 3; i++) reply_int(&x->r, i);
    return 0;
}

static int send_set(struct call *x) {
    reply_set(&x->r, 3);
    for (int i = 0; i < 3; i++) reply_int(&x->r, i);
    return 0;
}

static int send_map(struct call *x) {
    reply_map(&x->r, 3);
    for (int i = 0; i < 3; i++) {
        reply_int(&x->r, i);
        reply_bool(&x->r, i == 1);
    }
    return 0;
}

static int send_attrib(struct call *x) {
    if (x->r.resp > 2) {
        reply_attribute(&x->r, 1);
        reply_bulk_str(&x->r, "key-popularity");
        reply_array(&x->r, 2);
        reply_bulk_str(&x->r, "key:123");
        reply_int(&x->r, 90);
    }
    reply_bulk_str(&x->r, "Some real reply following the attribute");
    return 0;
}

/* A push that a client's own command causes follows the reply. */
static int send_push(struct call *x) {
    if (x->r.resp == 2) return reply_err(x, "ERR RESP2 is not supported by this command");
    reply_bulk_str(&x->r, "Some real reply following the push reply");
    reply_push(&x->r, 2);
    reply_bulk_str(&x->r, "server-cpu-usage");
    reply_int(&x->r, 42);
    return 0;
}

static int send_verbatim(struct call *x) {
    struct slice text = SLICE("This is a verbatim\nstring");

    reply_verbatim(&x->r, "txt", text.p, text.n);
    return 0;
}

static int send_true(struct call *x) {
    reply_bool(&x->r, true);
    return 0;
}

static int send_false(struct call *x) {
    reply_bool(&x->r, false);
    return 0;
}

int debug_protocol(struct call *x) {
    static const struct {
        const char *type;
        int (*send)(struct call *x);
    } samples[] = {
        {"string", send_string}, {"integer", send_integer},   {"double", send_double},
        {"bignum", send_bignum}, {"null", send_null},         {"array", send_array},
        {"set", send_set},       {"map", send_map},           {"attrib", send_attrib},
        {"push", send_push},     {"verbatim", send_verbatim}, {"true", send_true},
        {"false", send_false},
    };

    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
        if (arg_is(x, 2, samples[i].type)) return samples[i].send(x);
    return reply_err(x, "ERR Wrong protocol type name. Please use one of the following: "
                        "string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|"
                        "true|false");
}
