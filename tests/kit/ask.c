/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/kit/ask.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

redisContext *ask_open(struct server *s) {
    redisContext *c = redisConnect("127.0.0.1", server_port(s));
    struct timeval patience = {60, 0};

    cr_assert(c && !c->err, "cannot connect: %s", c ? c->errstr : "no memory");
    redisSetTimeout(c, patience);
    return c;
}

static void show_text(FILE *f, const char *p, size_t n) {
    for (size_t i = 0; i < n; i++) {
        unsigned char b = (unsigned char)p[i];
        if (b < 32 || b > 126)
            fprintf(f, "\\x%02x", b);
        else
            fputc(b, f);
    }
}

static void show(FILE *f, const redisReply *r) {
    switch (r->type) {
    case REDIS_REPLY_NIL: fputs("(nil)", f); break;
    case REDIS_REPLY_INTEGER: fprintf(f, ":%lld", r->integer); break;
    case REDIS_REPLY_ARRAY:
        fputc('[', f);
        for (size_t i = 0; i < r->elements; i++) {
            if (i) fputc(' ', f);
            show(f, r->element[i]);
        }
        fputc(']', f);
        break;
    default:
        fputc(r->type == REDIS_REPLY_STATUS ? '+' : r->type == REDIS_REPLY_ERROR ? '-' : '$', f);
        show_text(f, r->str, r->len);
    }
}

/* The text of a reply, which is freed. */
static const char *text_of(redisReply *r) {
    static char *text;
    size_t n;

    free(text);
    text = NULL;
    FILE *f = open_memstream(&text, &n);
    if (r)
        show(f, r);
    else
        fputs("(closed)", f);
    fclose(f);
    if (r) freeReplyObject(r);
    return text;
}

const char *ask(redisContext *c, const char *format, ...) {
    va_list ap;

    va_start(ap, format);
    redisReply *r = redisvCommand(c, format, ap);
    va_end(ap);
    return text_of(r);
}

void ask_send(redisContext *c, const char *format, ...) {
    va_list args;

    va_start(args, format);
    cr_assert_eq(redisvAppendCommand(c, format, args), REDIS_OK);
    va_end(args);
    for (int done = 0; !done;) cr_assert_eq(redisBufferWrite(c, &done), REDIS_OK);
}

const char *ask_next(redisContext *c) {
    void *r = NULL;

    if (redisGetReply(c, &r) != REDIS_OK) r = NULL;
    return text_of(r);
}

redisContext *ask_through_restarts(struct server *s, redisContext *c) {
    char *digest = strdup(ask(c, "DEBUG DIGEST"));

    cr_assert_neq(digest[0], '-', "%s", digest);
    for (int i = 0; i < 2; i++) {
        if (i == 1) {
            ask_wait_rewrite(c); /* the log may have grown enough for one of its own */
            EXPECT_PREFIX(c, "+Background append only file rewriting", "BGREWRITEAOF");
            ask_wait_rewrite(c);
        }
        server_kill(s);
        server_start(s, ASK_AOF, NULL);
        c = ask_open(s);
        cr_assert_str_eq(ask(c, "DEBUG DIGEST"), digest, "restart %d", i);
    }
    free(digest);
    return c;
}

const char *ask_info(redisContext *c, const char *field) {
    static char value[1024];
    char wanted[128];
    redisReply *r = redisCommand(c, "INFO everything");

    value[0] = 0;
    if (!r) return value;
    cr_assert_eq(r->type, REDIS_REPLY_STRING);
    snprintf(wanted, sizeof wanted, "\n%s:", field);
    const char *at = strstr(r->str, wanted);
    if (at) {
        at += strlen(wanted);
        snprintf(value, sizeof value, "%.*s", (int)strcspn(at, "\r\n"), at);
    }
    freeReplyObject(r);
    return value;
}

long long ask_info_int(redisContext *c, const char *field) {
    const char *v = ask_info(c, field);

    cr_assert(*v, "INFO has no field '%s'", field);
    return atoll(v);
}

struct wanted {
    redisContext *c;
    const char *field, *value;
    long long min;
};

static bool has_value(void *arg) {
    struct wanted *w = arg;
    const char *got = ask_info(w->c, w->field);

    return w->value ? strcmp(got, w->value) == 0 : *got && atoll(got) >= w->min;
}

void ask_wait_info(redisContext *c, const char *field, const char *value) {
    struct wanted w = {c, field, value, 0};

    cr_assert(kit_wait(has_value, &w, 20), "INFO %s: is '%s', waited for '%s'", field,
              ask_info(c, field), value);
}

void ask_wait_info_min(redisContext *c, const char *field, long long min) {
    struct wanted w = {c, field, NULL, min};

    cr_assert(kit_wait(has_value, &w, 20), "INFO %s: is '%s', waited for >= %lld", field,
              ask_info(c, field), min);
}

void ask_wait_rewrite(redisContext *c) {
    ask_wait_info(c, "aof_rewrite_scheduled", "0");
    ask_wait_info(c, "aof_rewrite_in_progress", "0");
    cr_assert_str_eq(ask_info(c, "aof_last_bgrewrite_status"), "ok");
}
